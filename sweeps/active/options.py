"""Options of active choice, in a study of ``openr1 -m`` and for ``openr1-plan``. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Interval, Le

from openr1.options import check_ranges
from openr1.options.ranges import Flops, Parameters, Seed, Share, Tokens
from openr1.sweeps.config import SweepConfig
from openr1.system.errors import ConfigError


@dataclass
class Target:
    """The loss to predict: at a budget, with the N and D that the law finds optimal for it, or at given N and D."""

    flops: Flops | None = None
    N: Parameters | None = None
    D: Tokens | None = None

    def __post_init__(self) -> None:
        check_ranges(self, "sweep.target")
        if (self.N is None) != (self.D is None) or (self.flops is not None and self.N is not None):
            raise ConfigError("sweep.target: give flops, or both of N and D")

    @property
    def given(self) -> bool:
        return self.flops is not None or self.N is not None


@dataclass
class CandidateGrid:
    """Runs that may be made: each size with each number of tokens."""

    scale: list[str] = field(default_factory=list)  # sizes of the ladder
    tokens: list[Tokens] = field(default_factory=list)


@dataclass
class ActiveOptions(SweepConfig):
    """Options of how runs are chosen. ``allowance.flops`` is for the whole study, finished runs included."""

    kind: str = "active"
    target: Target = field(default_factory=Target)
    candidates: CandidateGrid = field(default_factory=CandidateGrid)
    # stop at this half width of the prediction's 95 % interval, as a share of the prediction
    interval: Annotated[float, Gt(0), Le(1e3)] | None = None
    batch: Annotated[int, Ge(1), Le(10_000)] = 4  # runs chosen at a time
    # runs are ranked by gain / FLOPs^this; 1 is gain per FLOP, a smaller one favours expensive runs
    cost_exponent: Annotated[float, Interval(ge=0, le=10)] = 0.7
    discrepancy: Share = 0.01  # of the law: share of the loss by which nearby runs deviate from it together; 0 for an exact law
    reach: Annotated[float, Gt(0), Le(1e3)] = 2.3  # length scale of the discrepancy in log N and log D: 2.3 is tenfold
    seed: Seed = 0


@dataclass
class ActiveSweep(ActiveOptions):
    """Options of active choice in a study."""

    law: str = "chinchilla"  # a name in openr1.analysis.laws.LAWS
    law_options: Any = None  # options of the law, such as {objective: log_mse}
