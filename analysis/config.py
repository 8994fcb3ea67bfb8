"""Typed schema of the fit app. Sources and laws are their own schemas: what Hydra composes is what is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from urllib.parse import quote

import hydra
from hydra import initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from analysis.fit.resampling import Bootstrap, Holdout
from analysis.laws import LAWS, Law
from analysis.sources.frame import SOURCES, Source
from openr1.errors import ConfigError
from openr1.options import one_line


@dataclass
class FitConfig:
    """Everything that decides a report."""

    law: Law = MISSING
    runs: Source = MISSING
    compare: list[str] = field(default_factory=list)  # laws to set side by side, each with its defaults; empty for law alone
    by: str | None = None  # a column, for a fit to the runs of each of its values; null for one fit to all
    holdout: Holdout = field(default_factory=Holdout)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    target_flops: float | None = None  # the budget to give advice for; null for ten times the largest in the runs
    target_loss: float | None = None  # a loss to give the budget for, in nats a token
    outputs: str = "outputs"
    out: str | None = None  # directory of the report; null for outputs/studies/STUDY, and LAW_by_COLUMN in it

    @property
    def directory(self) -> Path:
        if self.out:
            return Path(self.out)
        study = Path(self.outputs) / "studies" / self.runs.study
        return study / f"{self.law.name}_by_{quote(self.by)}" if self.by else study

    @property
    def laws(self) -> list[Law]:
        """The laws to fit, in order; the options of ``law`` hold for it wherever it stands."""
        names = self.compare or [self.law.name]
        return [self.law if name == self.law.name else LAWS[name]() for name in names]


def register() -> None:
    """Put the schemas into Hydra's store, without a group."""
    store = ConfigStore.instance()
    for schema in (FitConfig, *SOURCES.values(), *LAWS.values()):
        store.store(name=schema.__name__, node=schema)


def compose(overrides: Sequence[str] = ()) -> FitConfig:
    """The config of ``openr1-fit`` with these overrides, for notebooks and scripts.

    :raises ConfigError: for an override that does not compose, or as :func:`typed` does.
    """
    register()
    try:
        with initialize_config_module("conf.analysis", version_base="1.3"):
            composed = hydra.compose("config", list(overrides))
    except HydraException as error:
        raise ConfigError(one_line(error)) from error
    return typed(composed)


def typed(cfg: DictConfig) -> FitConfig:
    """The composed config as the objects it describes.

    :raises ConfigError: for an unknown key, a wrong type, a missing value or an impossible one.
    """
    refuse_unknown(cfg)
    missing = sorted(key for key in OmegaConf.missing_keys(cfg))
    if missing:
        raise ConfigError(f"{missing[0]}: no value is given")
    try:
        config = OmegaConf.to_object(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    unknown = [name for name in config.compare if name not in LAWS]
    if unknown:
        raise ConfigError(f"compare: {unknown[0]!r} is not one of {', '.join(LAWS)}")
    if config.by and config.compare:
        raise ConfigError("by: one law is fitted to each group; leave compare out")
    for key in ("target_flops", "target_loss"):
        value = getattr(config, key)
        if value is not None and value <= 0:
            raise ConfigError(f"{key}: must be above 0")
    return config


def refuse_unknown(node: DictConfig, prefix: str = "") -> None:
    """Hydra's ``+key=value`` adds keys that no schema has."""
    schema = OmegaConf.get_type(node)
    if not is_dataclass(schema):
        return
    names = [field.name for field in fields(schema)]
    for key in node:
        if key not in names:
            raise ConfigError(f"{prefix}{key}: no such key; there are {', '.join(names)}")
        if not OmegaConf.is_missing(node, key) and OmegaConf.is_dict(node[key]):
            refuse_unknown(node[key], f"{prefix}{key}.")
