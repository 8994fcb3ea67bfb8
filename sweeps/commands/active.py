"""Typed schema of ``openr1-plan sweep=active``."""

from __future__ import annotations

from collections.abc import Sequence

import hydra
from hydra import initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from analysis.config import refuse_unknown
from analysis.laws import LAWS
from analysis.sources.frame import SOURCES
from openr1.errors import ConfigError
from openr1.options import one_line
from sweeps.active.config import PlanConfig, PlanSweep


def register() -> None:
    """Put the schemas into Hydra's store, without a group."""
    store = ConfigStore.instance()
    for schema in (PlanConfig, PlanSweep, *SOURCES.values(), *LAWS.values()):
        store.store(name=schema.__name__, node=schema)


def compose(overrides: Sequence[str] = ()) -> PlanConfig:
    """The config of ``openr1-plan`` with these overrides, for notebooks and scripts.

    :raises ConfigError: for an override that does not compose, or as :func:`typed` does.
    """
    register()
    try:
        with initialize_config_module("conf.plan", version_base="1.3"):
            composed = hydra.compose("config", list(overrides))
    except HydraException as error:
        raise ConfigError(one_line(error)) from error
    return typed(composed)


def typed(cfg: DictConfig) -> PlanConfig:
    """The composed config as the objects it describes. A replay needs no ``runs``.

    :raises ConfigError: for an unknown key, a wrong type, a missing value or an impossible one.
    """
    refuse_unknown(cfg)
    if cfg.replay.path is not None:
        cfg = cfg.copy()
        cfg.runs = None
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        hint = ", or replay.path for a table of finished runs" if missing[0].startswith("runs.") else ""
        raise ConfigError(f"{missing[0]}: no value is given{hint}")
    try:
        return OmegaConf.to_object(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
