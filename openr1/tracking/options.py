"""Options of ``tracking=``."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class TrackingConfig:
    """``tracking=``: the MLflow store of runs."""

    uri: str = MISSING
    artifacts: str | None = None  # folder for files of tracked runs; null for the store's default
    experiment: str = "openr1"
    lineage: bool = True  # log the model of each stage, and the models that it starts from: links, no copies
    system_metrics: bool = False  # log CPU, memory and GPU of the machine every ten seconds
