"""Grids of runs that grow until their lowest loss is bracketed: until it lies between other losses along every axis."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from openr1.sweeps.designs.base import Finished, Overrides
from openr1.system.errors import ConfigError

MIN_LEVELS = 3  # of an axis, so that one lies between others
SIDES = (-1, 1)
L = TypeVar("L", bound=Hashable)  # a level of an axis


class Bracket(Generic[L]):
    """A grid of every combination of the levels of its axes, with levels added at the ends.

    Each command builds it anew from the finished runs, and it grows as it did before: as long as no run is missing, a level is
    added wherever the lowest loss is at an end. No level is added beyond a failed run.

    :param axes: the levels of the first round, in order.
    :param overrides: returns the overrides of the run at a point.
    :param losses: overrides -> the loss of a finished run, None where it failed.
    :param next_level: returns the level to add to an axis, given its number, its levels and the side (-1 or 1); raises a
        ConfigError with the reason where there is none.
    :param extend: the most levels to add at each end of an axis.
    :ivar gaps: axis and side -> why the lowest loss is not bracketed there.
    """

    def __init__(
        self,
        axes: Sequence[Sequence[L]],
        overrides: Callable[[tuple[L, ...]], Overrides],
        losses: Mapping[Overrides, float | None],
        next_level: Callable[[int, Sequence[L], int], L],
        extend: int,
    ) -> None:
        self.axes = [list(levels) for levels in axes]
        self.overrides, self.finished, self.next_level, self.extend = overrides, losses, next_level, extend
        self.added: Counter[tuple[int, int]] = Counter()
        self.gaps: dict[tuple[int, int], str] = {}
        while not self.missing and self.best and self._grow():
            pass

    @property
    def runs(self) -> dict[tuple[L, ...], Overrides]:
        return {point: self.overrides(point) for point in itertools.product(*self.axes)}

    @property
    def missing(self) -> list[Overrides]:
        """The runs that are still to do."""
        return [run for run in self.runs.values() if run not in self.finished]

    @property
    def losses(self) -> dict[tuple[L, ...], float]:
        """The known losses."""
        return {point: loss for point, run in self.runs.items() if (loss := self.finished.get(run)) is not None}

    @property
    def best(self) -> tuple[L, ...] | None:
        """The point of the lowest loss; None where no run has a loss."""
        losses = self.losses
        return min(losses, key=losses.__getitem__, default=None)

    def beyond(self, axis: int, side: int) -> list[tuple[L, ...]]:
        """Return the points on one side of the best point along an axis, the nearest first; none where no loss is known."""
        levels, best = self.axes[axis], self.best
        if best is None:
            return []
        place = levels.index(best[axis])
        others = levels[:place][::-1] if side < 0 else levels[place + 1 :]
        return [(*best[:axis], level, *best[axis + 1 :]) for level in others]

    def describe(self, words: Sequence[tuple[str, str]]) -> str:
        """Say whether the lowest loss is bracketed, and if not why.

        :param words: of each axis, for a lower and for a higher level.
        """
        if missing := self.missing:
            return f"{len(missing)} runs to go"
        gaps = [f"no {words[axis][side > 0]}, since {why}" for (axis, side), why in self.gaps.items()]
        return f"not bracketed: {' and '.join(gaps)}" if gaps else "bracketed"

    def _grow(self) -> bool:
        """Add a level at each end where the lowest loss is; False where there is no level to add."""
        losses = self.losses
        new: dict[tuple[int, int], L] = {}
        self.gaps = {}
        for axis, side in itertools.product(range(len(self.axes)), SIDES):
            beyond = self.beyond(axis, side)
            if any(point in losses for point in beyond):
                continue
            try:
                new[axis, side] = self._added_level(axis, side, failed=bool(beyond))
            except ConfigError as error:
                self.gaps[axis, side] = str(error)
        for (axis, side), level in new.items():
            self.axes[axis].insert(0 if side < 0 else len(self.axes[axis]), level)
            self.added[axis, side] += 1
        return bool(new)

    def _added_level(self, axis: int, side: int, failed: bool) -> L:
        if failed:
            raise ConfigError("the run next to it failed")
        if self.added[axis, side] == self.extend:
            raise ConfigError(f"sweep.extend={self.extend} is used up")
        return self.next_level(axis, self.axes[axis], side)


def objective_of(step: str | None, name: str) -> str:
    """Return the name that a metric of a step has among those of its trial. A name with its step stays as it is."""
    return name if step is None or "." in name else f"{step}.{name}"


def losses_of(finished: Iterable[Finished], objective: str) -> dict[Overrides, float | None]:
    """Return for the overrides of each run the metric to minimise; None where the run failed or lacks it."""
    values = {run.overrides: run.metrics.get(objective, math.nan) for run in finished}
    return {run: value if math.isfinite(value) else None for run, value in values.items()}


def require_different(key: str, values: Sequence[float]) -> None:
    """Refuse an axis that has a value twice.

    :raises ConfigError: naming the value.
    """
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(f"{key}: {value:g} stands there twice")
