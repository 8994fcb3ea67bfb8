"""What a study has cost so far, by what is tracked of its runs: those that failed or were pruned too."""

from __future__ import annotations

from collections.abc import Collection

from openr1.distributed.options import ComputeConfig
from openr1.stages.options import STAGES
from openr1.tracking.mlflow import TrackedRun
from openr1.tracking.options import TrackingConfig
from sweeps.cost.measured import linked, tracked_runs
from sweeps.limits.amount import Amount, spent, total


def spent_by(tracking: TrackingConfig, study: str, without: Collection[str] = ()) -> Amount:
    """Of all its stage runs; what another study had made costs it nothing.

    :param without: fingerprints of stages that are not counted, since they are under way.
    """
    runs = [run for run in tracked_runs(tracking, study) if run.tags["stage"] in STAGES and not linked(run)]
    return total(_spent(run) for run in runs if run.tags.get("fingerprint") not in without)


def _spent(run: TrackedRun) -> Amount:
    metrics = dict(run.metrics)
    if run.tags["stage"] == "evaluate":
        metrics["flops_new"] = metrics.get("flops_eval", 0.0)  # the others are carried on from its model
    if "wall_seconds" not in metrics and run.end_time:  # it has not come to its end
        metrics["wall_seconds"] = (run.end_time - run.start_time).total_seconds()
    params = run.params
    price, processes = params.get("compute.price_per_hour", "None"), int(params.get("compute.processes", 1))
    compute = ComputeConfig(
        device=params.get("compute.device", "cpu"),
        processes=processes if STAGES[run.tags["stage"]].multiprocess else 1,
        price_per_hour=None if price == "None" else float(price),
    )
    return spent(metrics, compute)
