"""Options of ``openr1-plan status=NAME``. Nothing here imports mlflow or optuna."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from openr1.config.schema import PathsConfig
from openr1.options.ranges import Seconds
from openr1.tracking.options import TrackingConfig


@dataclass
class StatusConfig:
    """Options of the status of a study."""

    status: str = MISSING  # the name of a study; also the id or name of a run, or STUDY/TRIAL
    once: bool = False  # print the status once and end, as happens in any case where the output is no terminal
    seconds: Seconds = 3.0  # between two updates
    storage: str | None = None  # of a search; needed where it has a password, which plan.json leaves out
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
