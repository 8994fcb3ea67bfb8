"""Config of ``openr1-plan`` for active choice: runs of a study, or a replay on a table of finished runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le, MinLen
from omegaconf import MISSING

from openr1.analysis.fit.resampling import Holdout
from openr1.analysis.laws import Law
from openr1.analysis.sources.frame import Columns, FileRuns, Source
from openr1.options import check_ranges
from openr1.options.ranges import OneOf, PositiveShare
from openr1.sweeps.active.options import ActiveOptions
from openr1.system.errors import ConfigError

CHOOSERS = ("active", "random", "cheapest", "d_optimal")


@dataclass
class PlanSweep(ActiveOptions):
    """Options of active choice for ``openr1-plan``, whose law is that of ``law=``."""

    name: str = "active"
    run: list[str] = field(default_factory=list)  # overrides of openr1 that all runs share, such as ['data=python_stdlib']


@dataclass
class Replay:
    """Options of a replay: choose from finished runs as if none had been made, and predict those held out."""

    path: str | None = None  # a file with a row for each run, as runs=file reads it
    columns: Columns = field(default_factory=Columns)
    where: dict[str, Any] = field(default_factory=dict)  # as runs.where
    flops_6nd: bool = False
    holdout: Holdout = field(default_factory=lambda: Holdout(fraction=0.1))  # the targets, never chosen or fitted
    seeds: Annotated[int, Ge(1), Le(10_000)] = 20
    allowance: PositiveShare = 0.25  # share of the FLOPs of the table that rules plan for
    shares: Annotated[list[PositiveShare], MinLen(1)] = field(
        default_factory=lambda: [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5]
    )  # at which errors are measured
    choosers: list[Annotated[str, OneOf(CHOOSERS)]] = field(default_factory=lambda: list(CHOOSERS))

    def __post_init__(self) -> None:
        check_ranges(self, "replay")
        if sorted(set(self.shares)) != list(self.shares):
            raise ConfigError("replay.shares: must increase, above 0 and up to 1")

    @property
    def source(self) -> FileRuns:
        """The table.

        :raises ConfigError: without a path.
        """
        if self.path is None:
            raise ConfigError("replay.path: no value is given")
        return FileRuns(columns=self.columns, where=self.where, flops_6nd=self.flops_6nd, path=self.path)


@dataclass
class PlanConfig:
    """Options of active choice for ``openr1-plan``."""

    sweep: PlanSweep = MISSING
    law: Law = MISSING
    runs: Source | None = None  # the runs so far; null for a replay
    replay: Replay = field(default_factory=Replay)
    outputs: str = "outputs"
    out: str | None = None  # directory of the results; null for outputs/plans/NAME, the study or the table

    @property
    def directory(self) -> Path:
        """The directory of the results."""
        name = Path(self.replay.path).stem if self.replay.path else self.source.study
        return Path(self.out) if self.out else Path(self.outputs) / "plans" / name

    @property
    def source(self) -> Source:
        """The runs so far.

        :raises ConfigError: for a replay, which has none.
        """
        if self.runs is None:
            raise ConfigError("runs: no value is given")
        return self.runs
