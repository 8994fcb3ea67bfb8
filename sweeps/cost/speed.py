"""Expected times of stages, from the most similar measured runs, interpolated between model sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from openr1.config.schema import Config
from openr1.sweeps.cost.conditions import SAME, STEPPED, Conditions, evaluation_flops, stage_conditions, stage_work
from openr1.sweeps.cost.measured import Measurement
from openr1.training.context import RunEstimate

# sources of an expected time
EARLIER, CALIBRATED, DISSIMILAR = "earlier runs", "calibration", "dissimilar runs"
OVERHEAD = 1.0  # seconds of a stage beside its work, where none was measured
REACH = 2.0  # a model counts as of a measured size up to this factor


@dataclass(frozen=True)
class Timing:
    """Expected time of a stage.

    :ivar seconds: of the whole stage.
    :ivar source: :data:`EARLIER`, :data:`CALIBRATED` or :data:`DISSIMILAR`.
    """

    seconds: float
    source: str


class SpeedModel:
    """Predicts the time of stages.

    :param measurements: of earlier runs and calibrations.
    :param hardware: on which the stages will run.
    :param at_once: number of runs side by side.
    """

    def __init__(self, measurements: Sequence[Measurement], hardware: str, at_once: int) -> None:
        self.measurements, self.hardware, self.at_once = list(measurements), hardware, at_once

    def conditions(self, config: Config, estimate: RunEstimate) -> Conditions:
        """Return the conditions under which a stage will run."""
        return stage_conditions(config, estimate, self.hardware, self.at_once)

    def nearest(self, conditions: Conditions) -> tuple[list[Measurement], float]:
        """Return the measurements under the most similar conditions and their distance; none where none is comparable."""
        distances = [measurement.conditions.distance(conditions) for measurement in self.measurements]
        least = min(distances, default=math.inf)
        if math.isinf(least):
            return [], least
        # the load of a machine is never quite the same
        reach = max(least, SAME)
        near = [m for m, distance in zip(self.measurements, distances, strict=True) if distance <= reach]
        return near, least

    def timing(self, config: Config, estimate: RunEstimate) -> Timing | None:
        """Predict the time of a stage; None where nothing comparable was measured, or its work is not known yet."""
        work = stage_work(estimate)
        near, distance = self.nearest(self.conditions(config, estimate))
        if work is None or not near:
            return None
        params = estimate.params or 0
        pace = pace_at_size(near, params, lambda measurement: measurement.pace)
        if pace is None:
            return None
        overheads = [m.overhead for m in near if m.overhead is not None and not m.calibrated]
        # the first run of a process has a larger overhead, which counts as the start of the process
        seconds = work * pace + (float(np.quantile(overheads, 0.25)) if overheads else OVERHEAD)
        if config.stage.kind in STEPPED:
            eval_pace = pace_at_size(near, params, lambda measurement: measurement.eval_pace)
            seconds += evaluation_flops(config, estimate) * (eval_pace or pace)
        return Timing(seconds, _source(near, distance, params))

    def covers(self, config: Config, estimate: RunEstimate) -> bool:
        """Return whether similar runs of about the same size were measured."""
        near, distance = self.nearest(self.conditions(config, estimate))
        return bool(near) and _source(near, distance, estimate.params or 0) != DISSIMILAR


def pace_at_size(
    measurements: Sequence[Measurement], params: int, pace_of: Callable[[Measurement], float | None]
) -> float | None:
    """Interpolate a pace at a model size, linearly in logarithms between the medians of the measured sizes.

    Beyond the measured sizes it is that of the nearest. Where runs of a size were measured, calibrations of it do not count.

    :returns: None where no measurement has the pace.
    """
    by_size: dict[int, list[float]] = {}
    for calibrated in (True, False):
        paces: dict[int, list[float]] = {}
        for measurement in measurements:
            if measurement.calibrated == calibrated and (pace := pace_of(measurement)):
                paces.setdefault(measurement.params, []).append(pace)
        by_size |= paces
    if not by_size:
        return None
    sizes = sorted(by_size)
    medians = [np.log(np.median(by_size[size])) for size in sizes]
    return float(np.exp(np.interp(np.log(max(params, 1)), np.log(np.maximum(sizes, 1)), medians)))


def _source(measurements: Sequence[Measurement], distance: float, params: int) -> str:
    sizes = [max(measurement.params, 1) for measurement in measurements]
    if distance > SAME or not min(sizes) / REACH <= max(params, 1) <= max(sizes) * REACH:
        return DISSIMILAR
    below = max((m.params for m in measurements if m.params <= params), default=min(sizes))
    above = min((m.params for m in measurements if m.params >= params), default=max(sizes))
    used = [measurement for measurement in measurements if measurement.params in (below, above)]
    return EARLIER if any(not measurement.calibrated for measurement in used) else CALIBRATED
