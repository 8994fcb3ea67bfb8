"""``openr1-plan propose``: the runs of a study to make next, or a replay of that choice on a table of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import hydra
from hydra import initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from openr1.analysis.laws import LAWS
from openr1.analysis.sources.frame import SOURCES
from openr1.options import load_config, one_line
from openr1.sweeps.active.config import PlanConfig, PlanSweep
from openr1.system.errors import ConfigError


@cache
def register() -> None:
    """Put the schemas into Hydra's store, without a group."""
    store = ConfigStore.instance()
    for schema in (PlanConfig, PlanSweep, *SOURCES.values(), *LAWS.values()):
        store.store(name=schema.__name__, node=schema)


def compose(overrides: Sequence[str] = ()) -> PlanConfig:
    """Compose the config of ``openr1-plan propose`` with these overrides, for notebooks and scripts.

    :raises ConfigError: for an override that does not compose, or as :func:`load_plan_config` does.
    """
    register()
    try:
        with initialize_config_module("openr1.conf.plan", version_base="1.3"):
            composed = hydra.compose("propose", list(overrides))
    except HydraException as error:
        raise ConfigError(one_line(error)) from error
    return load_plan_config(composed)


def load_plan_config(cfg: DictConfig) -> PlanConfig:
    """Build the options of a composed config. A replay needs no ``runs``.

    :raises ConfigError: for an unknown key, a wrong type, a missing value or an invalid one.
    """
    cfg = cfg.copy()
    if cfg.replay.path is not None:
        cfg.runs = None
    elif missing := sorted(key for key in OmegaConf.missing_keys(cfg) if key.startswith("runs.")):
        raise ConfigError(f"{missing[0]}: no value is given, or replay.path for a table of finished runs")
    return load_config(PlanConfig, cfg)


def run(cfg: DictConfig, command: str) -> None:
    """Propose the next runs of a study, or replay the choice where ``replay.path`` names a table.

    :param command: the command line, for the files that are written.
    :raises ConfigError: for an invalid config.
    """
    config = load_plan_config(cfg)
    if config.replay.path:
        from openr1.sweeps.active.report import replay

        replay(config, command)
    else:
        from openr1.sweeps.active.proposal import propose

        propose(config, command)
