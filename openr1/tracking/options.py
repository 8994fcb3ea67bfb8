"""Options of ``tracking=``."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING


@dataclass
class TrackingConfig:
    """``tracking=``: the MLflow store."""

    uri: str = MISSING
    artifacts: str | None = None  # where MLflow keeps run artifacts; null for the store's default
    experiment: str = "openr1"
