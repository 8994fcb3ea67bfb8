"""Measured speeds of earlier runs, from the tracking store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openr1.stages.options import STAGES
from openr1.sweeps.cost.conditions import STEPPED, Conditions, params_of_run, run_conditions, work_of
from openr1.sweeps.planning.tracked_runs import is_reused, read_tracked_runs
from openr1.system.errors import ConfigError
from openr1.tracking.mlflow import TrackedRun
from openr1.tracking.options import TrackingConfig


@dataclass(frozen=True)
class Measurement:
    """Speed of one run, or of a calibration.

    :ivar params: non-embedding parameters of the model at work; 0 without one.
    :ivar pace: seconds for each estimated FLOP (:func:`openr1.sweeps.cost.conditions.work_of`).
    :ivar eval_pace: seconds for each FLOP of evaluation during training; None where it was not measured.
    :ivar overhead: seconds to build the model, to save and to track; None where it was not measured.
    """

    conditions: Conditions
    params: int
    pace: float
    eval_pace: float | None = None
    overhead: float | None = None
    calibrated: bool = False


def measurements_of(tracking: TrackingConfig, hardware: str) -> list[Measurement]:
    """Return the measurements of the finished runs of all studies on some hardware.

    :raises ConfigError: for a store that cannot be opened.
    """
    tracked = read_tracked_runs(tracking, hardware=hardware)
    runs = [run for run in tracked if run.tags["stage"] in STAGES and not is_reused(run)]
    measurements = []
    for run, load in zip(runs, mean_loads(runs), strict=True):
        if run.status == "FINISHED" and (measurement := _measurement(run, hardware, load)) is not None:
            measurements.append(measurement)
    return measurements


def mean_loads(runs: Sequence[TrackedRun]) -> list[float]:
    """Return for each run how many runs were under way, itself included, on average over its time."""
    if not runs:
        return []
    start = np.array([run.start_time.timestamp() for run in runs])
    end = np.array([(run.end_time or run.start_time).timestamp() for run in runs])
    overlap = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    return list(np.maximum(overlap, 0).sum(axis=1) / np.maximum(end - start, 1e-3))


def _measurement(run: TrackedRun, hardware: str, load: float) -> Measurement | None:
    """Return the measurement of a run; None where the run did not log enough."""
    metrics, params = run.metrics, run.params
    estimated = {name: params.get(f"budget.resolved.{name}") for name in ("flops", "answers")}
    flops, units = (None if value is None else float(value) for value in estimated.values())
    work = work_of(0.0 if run.tags["stage"] == "curate" else flops, units)
    seconds = metrics.get("wall_seconds")
    if not work or not seconds:
        return None
    if run.tags["stage"] in STEPPED and "tokens_per_second" in metrics:  # counts the time before a resume too
        seconds = metrics["tokens"] / metrics["tokens_per_second"]
    evaluated, eval_flops = metrics.get("eval_seconds"), metrics.get("flops_eval")
    overhead = None
    if run.end_time and (evaluated is not None or not STAGES[run.tags["stage"]].trains):
        overhead = (run.end_time - run.start_time).total_seconds() - metrics["wall_seconds"] - (evaluated or 0.0)
    try:
        return Measurement(
            run_conditions(params, hardware, load),
            params_of_run(params) or 0,
            seconds / work,
            evaluated / eval_flops if evaluated and eval_flops else None,
            max(0.0, overhead) if overhead is not None else None,
        )
    except (KeyError, TypeError, ConfigError):  # of a version that tracked other params
        return None
