"""How long earlier runs took, from what is tracked of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openr1.errors import ConfigError
from openr1.stages.options import STAGES
from openr1.tracking.mlflow import TrackedRun, read_runs
from openr1.tracking.options import TrackingConfig
from sweeps.cost.conditions import STEPPED, Conditions, amount, of_params, params_of


@dataclass(frozen=True)
class Measurement:
    """The speed of one run, or of a calibration.

    :ivar params: non-embedding parameters of the model at work; 0 without one.
    :ivar pace: seconds for each FLOP that was foreseen (:func:`sweeps.cost.conditions.amount`).
    :ivar eval_pace: seconds for each FLOP of evaluation during training; None where it was not measured.
    :ivar overhead: seconds to make the model, to save and to track; None where it was not measured.
    """

    conditions: Conditions
    params: int
    pace: float
    eval_pace: float | None = None
    overhead: float | None = None
    calibrated: bool = False


def tracked_runs(tracking: TrackingConfig, study: str | None = None, **tags: str) -> list[TrackedRun]:
    """Of any status; none where there is no store yet, which is not made for it."""
    path = Path(tracking.uri.removeprefix("sqlite:///"))
    if tracking.uri.startswith("sqlite:///") and not path.exists():
        return []
    return read_runs(tracking.uri, study, None, **tags)


def earlier(tracking: TrackingConfig, hardware: str) -> list[Measurement]:
    """What the finished runs of all studies on this hardware measured.

    :raises ConfigError: for a store that cannot be opened.
    """
    runs = [run for run in tracked_runs(tracking, hardware=hardware) if run.tags["stage"] in STAGES and not linked(run)]
    found = []
    for run, load in zip(runs, side_by_side(runs), strict=True):
        if run.status == "FINISHED" and (measurement := _measurement(run, hardware, load)) is not None:
            found.append(measurement)
    return found


def linked(run: TrackedRun) -> bool:
    """Whether nothing was done in it: another study had made its artifact."""
    return run.tags.get("reused") == "True"


def side_by_side(runs: Sequence[TrackedRun]) -> list[float]:
    """How many of the runs were under way, the mean over the time of each, itself included."""
    if not runs:
        return []
    start = np.array([run.start_time.timestamp() for run in runs])
    end = np.array([(run.end_time or run.start_time).timestamp() for run in runs])
    together = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    return list(np.maximum(together, 0).sum(axis=1) / np.maximum(end - start, 1e-3))


def _measurement(run: TrackedRun, hardware: str, load: float) -> Measurement | None:
    """None for a run that does not say enough."""
    metrics, params = run.metrics, run.params
    asked = {name: params.get(f"budget.resolved.{name}") for name in ("flops", "answers")}
    flops, units = (None if value is None else float(value) for value in asked.values())
    estimate = amount(0.0 if run.tags["stage"] == "curate" else flops, units)
    seconds = metrics.get("wall_seconds")
    if not estimate or not seconds:
        return None
    if run.tags["stage"] in STEPPED and "tokens_per_second" in metrics:  # which knows of a resume
        seconds = metrics["tokens"] / metrics["tokens_per_second"]
    evaluated, eval_flops = metrics.get("eval_seconds"), metrics.get("flops_eval")
    overhead = None
    if run.end_time and (evaluated is not None or not STAGES[run.tags["stage"]].trains):
        overhead = (run.end_time - run.start_time).total_seconds() - metrics["wall_seconds"] - (evaluated or 0.0)
    try:
        return Measurement(
            of_params(params, hardware, load),
            params_of(params) or 0,
            seconds / estimate,
            evaluated / eval_flops if evaluated and eval_flops else None,
            max(0.0, overhead) if overhead is not None else None,
        )
    except (KeyError, TypeError, ConfigError):  # of a version that tracked other params
        return None
