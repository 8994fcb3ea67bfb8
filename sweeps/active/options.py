"""Options of active choice, wherever it chooses: in a study of ``openr1 -m``, or for ``openr1-plan``. Nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, field

from openr1.errors import ConfigError
from sweeps.config import SweepConfig


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

    @property
    def given(self) -> bool:
        return self.flops is not None or self.N is not None


@dataclass
class Candidates:
    """Runs that may be made: each size with each number of tokens."""

    scale: list[str] = field(default_factory=list)  # rungs of the ladder
    tokens: list[float] = field(default_factory=list)


@dataclass
class ActiveOptions(SweepConfig):
    """How runs are chosen. ``allowance.flops`` is of the whole study, those of its finished runs included."""

    kind: str = "active"
    target: Target = field(default_factory=Target)
    candidates: Candidates = field(default_factory=Candidates)
    interval: float | None = None  # enough: half the 95 % interval of the prediction, as a share of it
    batch: int = 4  # runs that are chosen at a time
    cost_exponent: float = 0.7  # runs are ranked by gain / FLOPs^this; 1 is gain per FLOP, below it dearer runs are favoured
    discrepancy: float = 0.01  # of the law: share of the loss that runs near each other are off it by; 0 for an exact law
    reach: float = 2.3  # of the discrepancy, in the logarithm of N and D: 2.3 is tenfold
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
