"""Typed schema of ``openr1-plan sweep=active``: runs of a study, or a replay on a table of finished runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis.fit.resampling import Holdout
from analysis.sources.frame import Columns, CsvRuns, FileRuns, ParquetRuns
from openr1.errors import ConfigError
from sweeps.active.options import ActiveOptions

CHOOSERS = ("active", "random", "cheapest", "d_optimal")


@dataclass
class PlanSweep(ActiveOptions):
    """``sweep=active`` of ``openr1-plan``, whose law is that of ``law=``."""

    name: str = "active"
    run: list[str] = field(default_factory=list)  # overrides of openr1 that all runs share, such as ['data=python_stdlib']


@dataclass
class Replay:
    """``replay.path=points.csv``: choose from finished runs as if they were not made, and predict those held out."""

    path: str | None = None  # a CSV or Parquet file, a row a run
    columns: Columns = field(default_factory=Columns)
    where: dict[str, Any] = field(default_factory=dict)  # as that of runs
    flops_6nd: bool = False
    holdout: Holdout = field(default_factory=lambda: Holdout(fraction=0.1))  # the targets: never chosen, never fitted
    seeds: int = 20
    allowance: float = 0.25  # share of the FLOPs of the table that is planned for
    shares: list[float] = field(default_factory=lambda: [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5])  # where errors are taken
    choosers: list[str] = field(default_factory=lambda: list(CHOOSERS))

    def __post_init__(self) -> None:
        unknown = [name for name in self.choosers if name not in CHOOSERS]
        if unknown:
            raise ConfigError(f"replay.choosers: {unknown[0]!r} is not one of {', '.join(CHOOSERS)}")
        if self.seeds < 1:
            raise ConfigError("replay.seeds: must be at least 1")
        if not self.shares or any(not 0 < share <= 1 for share in self.shares) or sorted(set(self.shares)) != list(self.shares):
            raise ConfigError("replay.shares: must rise, above 0 and up to 1")
        if not 0 < self.allowance <= 1:
            raise ConfigError("replay.allowance: must be above 0 and at most 1")

    @property
    def source(self) -> FileRuns:
        """The table."""
        kind = ParquetRuns if self.path.endswith(".parquet") else CsvRuns
        return kind(columns=self.columns, where=self.where, flops_6nd=self.flops_6nd, path=self.path)
