"""Options of active choice, in a study of ``openr1 -m`` and for ``openr1-plan``. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openr1.errors import ConfigError
from sweeps.config import SweepConfig


@dataclass
class Target:
    """The loss to predict: at a budget, with the N and D that the law finds optimal for it, or at given N and D."""

    flops: float | None = None
    N: float | None = None
    D: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= 0:
                raise ConfigError(f"sweep.target.{name}: must be above 0")
        if (self.N is None) != (self.D is None) or (self.flops is not None and self.N is not None):
            raise ConfigError("sweep.target: give flops, or both of N and D")

    @property
    def given(self) -> bool:
        return self.flops is not None or self.N is not None


@dataclass
class CandidateGrid:
    """Runs that may be made: each size with each number of tokens."""

    scale: list[str] = field(default_factory=list)  # sizes of the ladder
    tokens: list[float] = field(default_factory=list)


@dataclass
class ActiveOptions(SweepConfig):
    """Options of how runs are chosen. ``allowance.flops`` is for the whole study, finished runs included."""

    kind: str = "active"
    target: Target = field(default_factory=Target)
    candidates: CandidateGrid = field(default_factory=CandidateGrid)
    interval: float | None = None  # stop at this half width of the prediction's 95 % interval, as a share of the prediction
    batch: int = 4  # runs chosen at a time
    cost_exponent: float = 0.7  # runs are ranked by gain / FLOPs^this; 1 is gain per FLOP, a smaller one favours expensive runs
    discrepancy: float = 0.01  # of the law: share of the loss by which nearby runs deviate from it together; 0 for an exact law
    reach: float = 2.3  # length scale of the discrepancy in log N and log D: 2.3 is tenfold
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("interval", "batch", "reach"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"sweep.{name}: must be above 0")
        for name in ("cost_exponent", "discrepancy", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"sweep.{name}: must be at least 0")


@dataclass
class ActiveSweep(ActiveOptions):
    """Options of active choice in a study."""

    law: str = "chinchilla"  # a name in analysis.laws.LAWS
    law_options: Any = None  # options of the law, such as {objective: log_mse}
