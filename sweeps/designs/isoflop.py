"""``sweep=isoflop``: budgets times sizes around the predicted optimum (arXiv 2203.15556, section 3.2, approach 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib import resources
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le, MinLen
from omegaconf import MISSING, OmegaConf

from openr1.config.schema import Config
from openr1.options import check_ranges
from openr1.options.ranges import Flops, Parameters
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.sweeps.designs.brackets import MIN_LEVELS, Bracket, losses_of, require_different
from openr1.sweeps.designs.values import override
from openr1.system.errors import ConfigError


@dataclass
class Optimum:
    """Options of the predicted optimum: the size N* of a budget C around which the first round lies."""

    tokens_per_param: Annotated[float, Gt(0), Le(1e9)] = 20.0  # N* = sqrt(C / (6 tokens_per_param)); 20 is that of Chinchilla
    params: Parameters | None = None  # instead, from an earlier fit: N* = params (C / flops)^exponent
    flops: Flops | None = None
    exponent: Annotated[float, Gt(0), Le(10)] = 0.5

    def __post_init__(self) -> None:
        check_ranges(self, "sweep.optimum")
        if (self.params is None) != (self.flops is None):
            raise ConfigError("sweep.optimum: params and flops are one point of a power law; give both or none")

    def __call__(self, flops: float) -> float:
        """Return the non-embedding parameters at a budget."""
        if self.params is None or self.flops is None:
            return math.sqrt(flops / (6 * self.tokens_per_param))
        return self.params * (flops / self.flops) ** self.exponent


@dataclass
class IsoFlopSweep(SweepConfig):
    """Options of IsoFLOP profiles."""

    kind: str = "isoflop"
    budgets: Annotated[list[Flops], MinLen(1)] = MISSING  # training FLOPs of a run (openr1/models/flops.py)
    # of each budget in the first round: those of the ladder that are nearest to its predicted optimum
    sizes: Annotated[int, Ge(MIN_LEVELS), Le(1000)] = 5
    scales: list[str] = field(default_factory=list)  # sizes of the first round instead, the same for all budgets
    optimum: Optimum = field(default_factory=Optimum)
    # most sizes to add on each side of a budget, until its lowest loss lies between others
    extend: Annotated[int, Interval(ge=0, le=1000)] = 6
    objective: str = "eval_loss"  # metric to minimise

    def __post_init__(self) -> None:
        super().__post_init__()
        require_different("sweep.budgets", self.budgets)


class IsoFlop(Design[IsoFlopSweep]):
    """A :class:`Bracket` of sizes of the ladder for each budget; a size that cannot run at a budget is left out."""

    def __init__(self, sweep: IsoFlopSweep, compose: Callable[[Sequence[str]], Config]) -> None:
        super().__init__(sweep, compose)
        self.left_out: dict[tuple[float, str], str] = {}  # budget, scale -> the reason why it is left out

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [run for bracket in self._brackets(finished).values() for run in reversed(bracket.missing)]

    @property
    def objective(self) -> str:
        return self.sweep.objective

    @property
    def adapts(self) -> bool:
        return self.sweep.extend > 0

    def report(self, finished: Sequence[Finished]) -> list[str]:
        brackets = self._brackets(finished)
        lines = [f"{budget:g} FLOPs: {self._describe(bracket)}" for budget, bracket in brackets.items()]
        return lines + [f"{budget:g} FLOPs: without {scale}; {reason}" for (budget, scale), reason in self.left_out.items()]

    def _describe(self, bracket: Bracket[str]) -> str:
        if bracket.best is None:
            return f"no run has {self.objective}"
        (scale,) = bracket.best
        text = f"lowest {self.objective} {bracket.losses[bracket.best]:.4f} at {scale} of {', '.join(bracket.axes[0])}"
        return f"{text}; {bracket.describe([('smaller size', 'larger size')])}"

    def _brackets(self, finished: Sequence[Finished]) -> dict[float, Bracket[str]]:
        """Return the bracket of each budget, the largest budget first."""
        losses = losses_of(finished, self.objective)
        return {
            budget: Bracket([scales], partial(_overrides, budget), losses, partial(self._next_size, budget), self.sweep.extend)
            for budget, scales in self._first_round.items()
        }

    @cached_property
    def ladder(self) -> dict[str, float]:
        """Parameters of every size of the ladder, in order."""
        others = [scale for scale in self.sweep.scales if scale not in _shipped_sizes()]
        sizes = _shipped_sizes() | {scale: self.compose((override("scale", scale),)).scale.params for scale in others}
        return dict(sorted(sizes.items(), key=lambda item: item[1]))

    @cached_property
    def _first_round(self) -> dict[float, list[str]]:
        """The sizes of each budget in the first round."""
        if self.training_config().model.checkpoint is not None:
            raise ConfigError("model.checkpoint: has one size; sweep=isoflop needs several, from scratch or model.pretrained")
        return {budget: self._nearest_sizes(budget) for budget in sorted(self.sweep.budgets, reverse=True)}

    def _nearest_sizes(self, budget: float) -> list[str]:
        """Choose the sizes nearest to the predicted optimum that can run."""
        optimum = self.sweep.optimum(budget)
        nearest = sorted(self.ladder, key=lambda scale: abs(math.log(self.ladder[scale] / optimum)))
        wanted = len(self.sweep.scales) or self.sweep.sizes
        scales = self.sweep.scales or nearest[: 2 * wanted]
        chosen: list[str] = []
        refusals: list[ConfigError] = []
        for scale in scales:
            try:
                self.budget(_overrides(budget, (scale,)))
                chosen.append(scale)
            except ConfigError as error:
                self.left_out[budget, scale] = str(error)
                refusals.append(error)
            if len(chosen) == wanted:
                break
        if not chosen:
            raise refusals[0]
        if len(chosen) < min(MIN_LEVELS, wanted):
            raise ConfigError(f"sweep.budgets: at {budget:g} FLOPs only {' and '.join(chosen)} can run: {refusals[0]}")
        return sorted(chosen, key=self.ladder.__getitem__)

    def _next_size(self, budget: float, axis: int, scales: Sequence[str], side: int) -> str:
        """Return the size of the ladder beyond an end of those that a budget has."""
        sizes = list(self.ladder)
        place = sizes.index(scales[0 if side < 0 else -1]) + side
        if not 0 <= place < len(sizes):
            raise ConfigError(f"{sizes[place - side]} is the {'smallest' if side < 0 else 'largest'} size")
        self.budget(_overrides(budget, (sizes[place],)))
        return sizes[place]


def _overrides(budget: float, point: tuple[str, ...]) -> Overrides:
    return override("scale", point[0]), override("budget.flops", budget)


@cache
def _shipped_sizes() -> dict[str, float]:
    """Read the sizes of ``conf/scale``: the parameters of each."""
    folder = Path(str(resources.files("openr1.conf"))) / "scale"
    return {path.stem: float(OmegaConf.load(path).params) for path in folder.glob("*.yaml")}
