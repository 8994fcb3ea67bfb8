"""Grids of runs that grow until their lowest loss is bracketed: until it lies between others along every axis."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from openr1.errors import ConfigError
from sweeps.designs.base import Finished, Overrides

LEAST = 3  # levels, without which none lies between others
SIDES = (-1, 1)
Point = tuple[Hashable, ...]  # a level of each axis


class Bracket:
    """Every combination of the levels of its axes, and of those that were added at their ends.

    It is made anew from what is done, and grows as it did before: as long as no run is missing, a level is added wherever the
    lowest loss is at an end. A run that has failed is not gone beyond.

    :param axes: the levels of the first round, in order.
    :param overrides: those of the run at a point.
    :param losses: overrides -> the loss of a run that is done, None where it failed.
    :param further: the level to add to an axis, by its number, its levels and the side (-1 or 1); a ConfigError says why there
        is none.
    :param extend: levels to add at each end of an axis, at most.
    :ivar gaps: axis and side -> why the lowest loss is not bracketed there.
    """

    def __init__(
        self,
        axes: Sequence[Sequence[Hashable]],
        overrides: Callable[[Point], Overrides],
        losses: Mapping[Overrides, float | None],
        further: Callable[[int, Sequence, int], Hashable],
        extend: int,
    ) -> None:
        self.axes = [list(levels) for levels in axes]
        self.overrides, self.made, self.further, self.extend = overrides, losses, further, extend
        self.added: Counter[tuple[int, int]] = Counter()
        self.gaps: dict[tuple[int, int], str] = {}
        while not self.missing and self.best and self._grow():
            pass

    @property
    def runs(self) -> dict[Point, Overrides]:
        return {point: self.overrides(point) for point in itertools.product(*self.axes)}

    @property
    def missing(self) -> list[Overrides]:
        """The runs that are to be made."""
        return [run for run in self.runs.values() if run not in self.made]

    @property
    def losses(self) -> dict[Point, float]:
        """Those that are known."""
        return {point: loss for point, run in self.runs.items() if (loss := self.made.get(run)) is not None}

    @property
    def best(self) -> Point | None:
        """The point of the lowest loss; None where no run has a loss."""
        losses = self.losses
        return min(losses, key=losses.__getitem__, default=None)

    def beyond(self, axis: int, side: int) -> list[Point]:
        """The points on one side of the best one along an axis, the nearest first."""
        levels, best = self.axes[axis], self.best
        place = levels.index(best[axis])
        others = levels[:place][::-1] if side < 0 else levels[place + 1 :]
        return [(*best[:axis], level, *best[axis + 1 :]) for level in others]

    def state(self, words: Sequence[tuple[str, str]]) -> str:
        """Whether the lowest loss is bracketed, and why not.

        :param words: of each axis, what is below and what is above a level.
        """
        if missing := self.missing:
            return f"{len(missing)} runs to go"
        gaps = [f"no {words[axis][side > 0]}, since {why}" for (axis, side), why in self.gaps.items()]
        return f"not bracketed: {' and '.join(gaps)}" if gaps else "bracketed"

    def _grow(self) -> bool:
        """Add a level at each end that is to be gone beyond; False where there is none."""
        losses, new = self.losses, {}
        self.gaps = {}
        for axis, side in itertools.product(range(len(self.axes)), SIDES):
            beyond = self.beyond(axis, side)
            if any(point in losses for point in beyond):
                continue
            try:
                new[axis, side] = self._next(axis, side, failed=bool(beyond))
            except ConfigError as error:
                self.gaps[axis, side] = str(error)
        for (axis, side), level in new.items():
            self.axes[axis].insert(0 if side < 0 else len(self.axes[axis]), level)
            self.added[axis, side] += 1
        return bool(new)

    def _next(self, axis: int, side: int, failed: bool) -> Hashable:
        if failed:
            raise ConfigError("the run next to it failed")
        if self.added[axis, side] == self.extend:
            raise ConfigError(f"sweep.extend={self.extend} is used up")
        return self.further(axis, self.axes[axis], side)


def losses_of(finished: Iterable[Finished], objective: str) -> dict[Overrides, float | None]:
    """Overrides -> the figure that is to be low; None for a run that failed, or that has no such figure."""
    found = {run.overrides: run.metrics.get(objective, math.nan) for run in finished}
    return {run: value if math.isfinite(value) else None for run, value in found.items()}


def check_levels(key: str, values: Sequence[float], least: int) -> None:
    """Refuse a list that is no axis.

    :raises ConfigError: unless it has enough values, all different and above 0.
    """
    if len(values) < least or len(set(values)) < len(values) or min(values) <= 0:
        raise ConfigError(f"{key}: {'a value' if least == 1 else f'{least} values'} or more, all different and above 0")
