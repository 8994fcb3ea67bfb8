"""Typed schema of ``openr1-fit``: the options of laws, sources and fits, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import hydra
from hydra import initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import MISSING

from analysis.fit.resampling import Bootstrap, Holdout
from analysis.laws import LAWS, Law
from analysis.sources.frame import SOURCES, Source
from openr1.errors import ConfigError
from openr1.options import load_config, one_line
from openr1.options.ranges import Flops, OneOf, Positive


@dataclass
class FitConfig:
    """Options of a study."""

    law: Law = MISSING
    runs: Source = MISSING
    compare: list[Annotated[str, OneOf(LAWS)]] = field(
        default_factory=list
    )  # laws to compare, each with its defaults; empty for law alone
    by: str | None = None  # column of the groups, each of which gets a fit of its own; null for one fit to all runs
    holdout: Holdout = field(default_factory=Holdout)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    target_flops: Flops | None = None  # budget that the advice is for; null for ten times the largest of the runs
    target_loss: Positive | None = None  # loss whose budget is reported, nats per token
    outputs: str = "outputs"
    out: str | None = None  # directory of the report; null for outputs/studies/STUDY, and LAW_by_COLUMN in it

    def __post_init__(self) -> None:
        if self.by and self.compare:
            raise ConfigError("by: one law is fitted to each group; leave compare out")

    @property
    def directory(self) -> Path:
        """The directory of the report."""
        if self.out:
            return Path(self.out)
        study = Path(self.outputs) / "studies" / self.runs.study
        return study / f"{self.law.name}_by_{quote(self.by)}" if self.by else study

    @property
    def laws(self) -> list[Law]:
        """The laws to fit, in order; the options of ``law`` hold for it if it is among those compared."""
        names = self.compare or [self.law.name]
        return [self.law if name == self.law.name else LAWS[name]() for name in names]


@cache
def register_schemas() -> None:
    """Put the schemas into Hydra's store, without a group."""
    store = ConfigStore.instance()
    schemas: list[type] = [FitConfig, *SOURCES.values(), *LAWS.values()]
    for schema in schemas:
        store.store(name=schema.__name__, node=schema)


def compose(overrides: Sequence[str] = ()) -> FitConfig:
    """Compose the config of ``openr1-fit`` with these overrides, for notebooks and scripts.

    :raises ConfigError: for an override that does not compose, or as :func:`openr1.options.load_config` does.
    """
    register_schemas()
    try:
        with initialize_config_module("conf.analysis", version_base="1.3"):
            composed = hydra.compose("config", list(overrides))
    except HydraException as error:
        raise ConfigError(one_line(error)) from error
    return load_config(FitConfig, composed)
