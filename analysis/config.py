"""Typed schema of ``openr1-fit``: the options of laws, sources and fits, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hydra
from hydra import initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import MISSING

from openr1.analysis.figures import Figures
from openr1.analysis.fit.ablation import Ablation
from openr1.analysis.fit.resampling import Bootstrap, Holdout
from openr1.analysis.laws import LAWS, Law
from openr1.analysis.laws.constraints import read_priors, read_values
from openr1.analysis.laws.custom import law_class
from openr1.analysis.sources.frame import SOURCES, Source
from openr1.options import load_config, one_line, one_of
from openr1.options.ranges import Flops, Positive
from openr1.system.errors import ConfigError


@dataclass
class FitConfig:
    """Options of a study."""

    law: Law = MISSING
    runs: Source = MISSING
    compare: list[str] = field(default_factory=list)  # laws to compare, each with its defaults; empty for law alone
    by: str | None = None  # column of the groups, each of which gets a fit of its own; null for one fit to all runs
    share: list[str] = field(default_factory=list)  # parameters that all groups of ``by`` have in common
    weights: str | None = None  # sqrt_flops, recency, inverse_variance, seeds, or a column; null for equal weights of runs
    fix: Any = None  # parameters of the law -> their values, such as {alpha: 0.35}
    tie: list[list[str]] = field(default_factory=list)  # lists of parameters that are equal, such as [[alpha,beta]]
    # parameters -> normal priors, {alpha: {mean: 0.34, sd: 0.02}}, or log-normal ones, {E: {median: 1.7, log_sd: 0.1}}
    priors: Any = None
    holdout: Holdout = field(default_factory=Holdout)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    forecast: Flops | None = None  # compute of a run that has not been made, whose loss (or pass rate) is forecast
    stack: bool = False  # forecast the median of all laws that predicted about as well as the best one
    ablation: Ablation = field(default_factory=Ablation)  # variants compared with a base line, in place of a law
    target_flops: Flops | None = None  # budget that the advice is for; null for ten times the largest of the runs
    target_loss: Positive | None = None  # loss whose budget is reported, nats per token
    figures: Figures = field(default_factory=Figures)
    outputs: str = "outputs"
    out: str | None = None  # directory of the report; null for outputs/studies/STUDY, and LAW_by_COLUMN in it

    def __post_init__(self) -> None:
        if self.ablation.metric is None and (self.ablation.keys or self.ablation.baseline):
            raise ConfigError("ablation.metric: name the column that is compared, such as ablation.metric=pass_at_1")
        if self.ablation.metric is not None and (self.by or self.compare or self.forecast):
            raise ConfigError("ablation: compares runs without a law; leave by, compare and forecast out")
        if self.by and self.compare:
            raise ConfigError("by: one law is fitted to each group; leave compare out")
        if self.share and not self.by:
            raise ConfigError("share: parameters are shared by groups; name their column, such as by=family")
        if self.by and self.forecast:
            raise ConfigError(
                "by: a forecast is of one law fitted to all runs; select the rows of a group with +runs.where.COLUMN=value"
            )
        if self.stack and not self.forecast:
            raise ConfigError("stack: is for a forecast; add its compute, such as forecast=1e24, or leave stack out")
        for place, name in enumerate(self.compare):
            if ":" not in name:
                one_of(name, f"compare[{place}]", LAWS)
            law_class(name)
        self.fix, self.priors = read_values(self.fix or {}), read_priors(self.priors or {})
        if self.forecast and (self.fix or self.tie or self.priors):
            raise ConfigError("forecast: chooses among laws by how they predict; leave fix, tie and priors out")

    @property
    def directory(self) -> Path:
        """The directory of the report."""
        if self.out:
            return Path(self.out)
        return self.study_folder / f"{self.law.name}_by_{quote(self.by)}" if self.by else self.study_folder

    @property
    def study_folder(self) -> Path:
        """The folder of the study, in which its forecasts are registered."""
        return Path(self.outputs) / "studies" / self.runs.study

    @property
    def laws(self) -> list[Law]:
        """The laws to fit, in order; the options of ``law`` hold for it if it is among those compared."""
        names = self.compare or [self.law.name]
        return [self.law if name == self.law.name else law_class(name)() for name in names]

    @property
    def constraints(self) -> dict[str, Any]:
        """Keyword arguments of :func:`openr1.analysis.fit` that say how runs and parameters are weighted and constrained."""
        return {"weights": self.weights, "fix": self.fix, "tie": self.tie, "priors": self.priors}


@cache
def register_schemas() -> None:
    """Put the schemas into Hydra's store, without a group."""
    store = ConfigStore.instance()
    schemas: list[type] = [FitConfig, *SOURCES.values(), *LAWS.values()]
    for schema in schemas:
        store.store(name=schema.__name__, node=schema)


def register_custom_laws(overrides: Sequence[str]) -> None:
    """Put the classes such as ``my.module:MyLaw`` that overrides of ``law`` name into Hydra's group.

    :raises ConfigError: if there is no such class.
    """
    for override in overrides:
        key, _, reference = override.partition("=")
        if key == "law" and ":" in reference:
            ConfigStore.instance().store(group="law", name=reference, node=law_class(reference), package="law")


def compose(overrides: Sequence[str] = ()) -> FitConfig:
    """Compose the config of ``openr1-fit`` with these overrides, for notebooks and scripts.

    :raises ConfigError: for an override that does not compose, or as :func:`openr1.options.load_config` does.
    """
    register_schemas()
    register_custom_laws(overrides)
    try:
        with initialize_config_module("openr1.conf.analysis", version_base="1.3"):
            composed = hydra.compose("config", list(overrides))
    except HydraException as error:
        raise ConfigError(one_line(error)) from error
    return load_config(FitConfig, composed)
