"""Typed schema of active choice: the keys of ``sweep=active`` and of its replay on a table of finished runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis.frame import Columns, CsvRuns, FileRuns, ParquetRuns
from analysis.resampling import Holdout
from openr1.errors import ConfigError

CHOOSERS = ("active", "random", "cheapest", "d_optimal")


@dataclass
class Target:
    """What is to be predicted: the loss at a budget, with the N and D that the law finds best for it, or at given N and D."""

    flops: float | None = None
    N: float | None = None
    D: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= 0:
                raise ConfigError(f"sweep.target.{name}: must be above 0")
        if (self.N is None) != (self.D is None) or (self.flops is not None and self.N is not None):
            raise ConfigError("sweep.target: give flops, or both of N and D")


@dataclass
class Candidates:
    """Runs that may be made: each size with each number of tokens."""

    scale: list[str] = field(default_factory=list)  # rungs of the ladder
    tokens: list[float] = field(default_factory=list)


@dataclass
class ActiveSweep:
    """``sweep=active``: how runs are chosen."""

    target: Target = field(default_factory=Target)
    candidates: Candidates = field(default_factory=Candidates)
    run: list[str] = field(default_factory=list)  # overrides of openr1 that all runs share, such as ['data=python_stdlib']
    allowance: float | None = None  # training FLOPs of the whole study, those of its finished runs included
    interval: float | None = None  # enough: half the 95 % interval of the prediction, as a share of it
    batch: int = 4  # runs that are chosen at a time
    cost_exponent: float = 0.7  # runs are ranked by gain / FLOPs^this; 1 is gain per FLOP, below it dearer runs are favoured
    discrepancy: float = 0.01  # of the law: share of the loss that runs near each other are off it by; 0 for an exact law
    reach: float = 2.3  # of the discrepancy, in the logarithm of N and D: 2.3 is tenfold
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("allowance", "interval", "batch", "reach"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"sweep.{name}: must be above 0")
        for name in ("cost_exponent", "discrepancy", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"sweep.{name}: must be at least 0")


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
