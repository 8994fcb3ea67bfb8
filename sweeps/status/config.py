"""Typed schema of ``openr1-plan status=NAME``. Nothing here imports mlflow or optuna."""

from __future__ import annotations

from dataclasses import dataclass, field

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from openr1.config.schema import PathsConfig
from openr1.errors import ConfigError
from openr1.options import one_line
from openr1.tracking.options import TrackingConfig


@dataclass
class StatusConfig:
    """What is looked at, and how often."""

    status: str = MISSING  # the name of a study
    once: bool = False  # print it and end; so in any case where the output is no terminal
    seconds: float = 3.0  # between two looks
    storage: str | None = None  # of a search, with the password that plan.json leaves out
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise ConfigError("seconds: must be above 0")


def register() -> None:
    """Put the schema into Hydra's store, without a group."""
    ConfigStore.instance().store(name="StatusConfig", node=StatusConfig)


def typed(cfg: DictConfig) -> StatusConfig:
    """The composed config as the object that it describes.

    :raises ConfigError: for a missing or impossible value.
    """
    try:
        return OmegaConf.to_object(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
