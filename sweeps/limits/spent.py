"""The amount that a study has spent so far, by its tracked runs, failed and pruned ones included."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from openr1.distributed.options import ComputeConfig
from openr1.stages.options import STAGES
from openr1.sweeps.limits.amount import Amount, measured_amount, total
from openr1.sweeps.planning.tracked_runs import is_reused, read_tracked_runs
from openr1.tracking.mlflow import TrackedRun
from openr1.tracking.options import TrackingConfig


def spent_by(tracking: TrackingConfig, study: str, without: Collection[str] = ()) -> Amount:
    """Sum what the stage runs of a study have spent; an artifact that another study made costs it nothing.

    :param without: fingerprints of stages that are not counted, since they are under way.
    """
    return spent_on(run for run in read_tracked_runs(tracking, study) if run.tags.get("fingerprint") not in without)


def spent_on(runs: Iterable[TrackedRun]) -> Amount:
    """Sum what runs of stages have spent; other runs, such as trials of recipes, are not counted."""
    return total(_spent(run) for run in runs if run.tags["stage"] in STAGES and not is_reused(run))


def _spent(run: TrackedRun) -> Amount:
    metrics = dict(run.metrics)
    if run.tags["stage"] == "evaluate":
        metrics["flops_new"] = metrics.get("flops_eval", 0.0)  # its other FLOPs are those of its model
    if "wall_seconds" not in metrics and run.end_time:  # logged only by a run that finishes
        metrics["wall_seconds"] = (run.end_time - run.start_time).total_seconds()
    params = run.params
    price = params.get("compute.price_per_hour", "None")
    compute = ComputeConfig(
        device=params.get("compute.device", "cpu"),
        processes=int(params.get("compute.processes", 1)) if _is_shared(run) else 1,
        price_per_hour=None if price == "None" else float(price),
    )
    return measured_amount(metrics, compute)


def _is_shared(run: TrackedRun) -> bool:
    """Tell whether a stage uses all processes that its config names: to train, or to ask a model."""
    asks_none = run.params.get("stage.teacher") == "oracle" or run.params.get("stage.answers", "None") != "None"
    return STAGES[run.tags["stage"]].multiprocess and not asks_none
