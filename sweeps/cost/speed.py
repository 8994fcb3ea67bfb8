"""How long a stage will take, from measurements: those under the likest conditions, interpolated between model sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from openr1.config.schema import Config
from openr1.training.context import RunEstimate
from sweeps.cost.conditions import SAME, STEPPED, Conditions, amount_of, evaluation_flops, of_stage
from sweeps.cost.measured import Measurement

EARLIER, CALIBRATED, NEAREST = "earlier runs", "calibration", "unlike runs"  # where an expected time is from
OVERHEAD = 1.0  # seconds of a stage beside its work, before any was measured
REACH = 2.0  # a model is as large as those measured up to this factor


@dataclass(frozen=True)
class Timing:
    """
    :ivar seconds: of the whole stage.
    :ivar source: what that is known from.
    """

    seconds: float
    source: str


class Speed:
    """
    :param measurements: of earlier runs, and calibrations.
    :param hardware: of the runs that are asked about.
    :param at_once: runs side by side.
    """

    def __init__(self, measurements: Sequence[Measurement], hardware: str, at_once: int) -> None:
        self.measurements, self.hardware, self.at_once = list(measurements), hardware, at_once

    def conditions(self, config: Config, estimate: RunEstimate) -> Conditions:
        return of_stage(config, estimate, self.hardware, self.at_once)

    def nearest(self, conditions: Conditions) -> tuple[list[Measurement], float]:
        """The measurements under the likest conditions, and how unlike these are; none where no one can say."""
        unlike = [one.conditions.unlike(conditions) for one in self.measurements]
        least = min(unlike, default=math.inf)
        if math.isinf(least):
            return [], least
        # the load of a machine is never quite the same
        return [one for one, far in zip(self.measurements, unlike, strict=True) if far <= max(least, SAME)], least

    def timing(self, config: Config, estimate: RunEstimate) -> Timing | None:
        """None where nothing was measured, or the work is not known yet."""
        todo = amount_of(estimate)
        found, unlike = self.nearest(self.conditions(config, estimate))
        if todo is None or not found:
            return None
        params = estimate.params or 0
        pace = at_size(found, params, lambda one: one.pace)
        overheads = [one.overhead for one in found if one.overhead is not None and not one.calibrated]
        # the first run of a process takes longer, which counts as the start of a worker
        seconds = todo * pace + (float(np.quantile(overheads, 0.25)) if overheads else OVERHEAD)
        if config.stage.kind in STEPPED:
            seconds += evaluation_flops(config, estimate) * (at_size(found, params, lambda one: one.eval_pace) or pace)
        return Timing(seconds, _source(found, unlike, params))

    def covers(self, config: Config, estimate: RunEstimate) -> bool:
        """Whether runs like this one, of about its size, were measured."""
        found, unlike = self.nearest(self.conditions(config, estimate))
        return bool(found) and _source(found, unlike, estimate.params or 0) != NEAREST


def at_size(found: Sequence[Measurement], params: int, value: Callable[[Measurement], float | None]) -> float | None:
    """A pace at a model size: on a line through the medians of the sizes measured, in logarithms; beyond them that of the last.

    Where runs of a size were measured, calibrations of it do not count.
    """
    by_size: dict[int, list[float]] = {}
    for calibrated in (True, False):
        fresh: dict[int, list[float]] = {}
        for one in found:
            if one.calibrated == calibrated and value(one):
                fresh.setdefault(one.params, []).append(value(one))
        by_size |= fresh
    if not by_size:
        return None
    sizes = sorted(by_size)
    medians = [np.log(np.median(by_size[size])) for size in sizes]
    return float(np.exp(np.interp(np.log(max(params, 1)), np.log(np.maximum(sizes, 1)), medians)))


def _source(found: Sequence[Measurement], unlike: float, params: int) -> str:
    sizes = [max(one.params, 1) for one in found]
    if unlike > SAME or not min(sizes) / REACH <= max(params, 1) <= max(sizes) * REACH:
        return NEAREST
    below = max((one.params for one in found if one.params <= params), default=min(sizes))
    above = min((one.params for one in found if one.params >= params), default=max(sizes))
    used = [one for one in found if one.params in (below, above)]
    return EARLIER if any(not one.calibrated for one in used) else CALIBRATED
