"""Forecasts of planned runs, registered before the runs exist: ``openr1-plan forecast=STUDY``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.rl.budget import RolloutBudget
from openr1.sweeps.planning.plan import PlannedRun
from openr1.system.errors import ConfigError
from openr1.tracking.environment import git_commit
from openr1.tracking.mlflow import log_study

if TYPE_CHECKING:
    import pandas as pd

    from openr1.runs.prepare import PreparedRun


def register_forecasts(runs: Sequence[PlannedRun], study: str) -> tuple[list[Path], list[str]]:
    """Forecast the loss of planned runs, or the pass rate of reinforcement learning, from the finished runs of a study, and
    register it in their study and in MLflow.

    Of reinforcement learning, the points of the learning curves are fitted by ``rl_power`` in the answers that were learned
    from, since its FLOPs are known only at the end; the FLOPs of a planned run are the most that it takes.

    :returns: the files that were written, and a sentence for each run.
    :raises ConfigError: if a run has begun, or the study has too few runs to forecast from.
    """
    import pandas as pd

    from openr1.analysis.forecast.forecast import as_pass_rate, forecast
    from openr1.analysis.forecast.registry import register
    from openr1.analysis.laws import RlPower

    begun = [run.name for run in runs if run.main.share_done() > 0]
    if begun:
        raise ConfigError(f"forecast: {begun[0]} has begun; a forecast is registered before its run exists")
    first = runs[0].config
    frame = _read_runs(first.tracking.uri, study, runs[0].main)
    targets = pd.DataFrame([_inputs(run) for run in runs])
    if runs[0].main.config.stage.rollouts:
        result = as_pass_rate(forecast(frame, at=targets, laws=RlPower(x="D")))
    else:
        result = forecast(frame, at=targets)
    named = [{"name": run.name, "fingerprint": run.main.fingerprint} for run in runs]
    folder = Path(first.paths.studies) / first.study
    paths = register(folder, result, named, (study, frame), first.study, git_commit())
    rows = result.table.to_dict("records")
    what = "loss" if result.response == "loss" else "pass_rate"
    metrics = {
        f"forecast_{what}.{run['fingerprint'][:8]}": float(row["predicted"]) for run, row in zip(named, rows, strict=True)
    }
    log_study(first.tracking, first.study, paths, metrics, {})
    factor = targets["C"].max() / result.largest
    words, unit = ("a loss of", " nats per token") if result.response == "loss" else ("a pass rate of", "")
    points = "runs" if result.response == "loss" else "points of the curves"
    sentences = [
        f"{run['name']}: expect {words} {row['predicted']:.3f}{unit}, and with 95 % probability one from"
        f" {row['run_low_95']:.3f} to {row['run_high_95']:.3f} ({result.chosen[0]}, from {len(frame)} {points} of {study};"
        f" {factor:.3g} times the FLOPs of the largest)"
        for run, row in zip(named, rows, strict=True)
    ]
    return paths, sentences


def _read_runs(uri: str, study: str, stage: PreparedRun) -> pd.DataFrame:
    """Return the finished runs of a study of the same stage; of reinforcement learning, the points of their curves."""
    from openr1.analysis.sources.readers import read_mlflow

    where = {"stage": stage.kind}
    if not stage.config.stage.rollouts:
        return read_mlflow(uri, study, where=where).frame
    frame = read_mlflow(uri, study, curve=True, where=where, needs=("N", "C", "D", "pass_at_1"), D="completions").frame
    frame = frame[frame["pass_at_1"] < 1].reset_index(drop=True)  # the law is of the logarithm of the error
    return frame.assign(error=1 - frame["pass_at_1"])


def _inputs(run: PlannedRun) -> dict[str, float]:
    """Return N, D and C of a run as they will be logged.

    :raises ConfigError: if they are not known before it starts.
    """
    estimate = run.main.estimate
    budget = estimate.budget
    data = budget.completions if isinstance(budget, RolloutBudget) else estimate.tokens
    values = {"N": estimate.params, "D": data, "C": estimate.flops}
    if missing := [name for name, value in values.items() if not value]:
        raise ConfigError(f"forecast: {', '.join(missing)} of {run.name} is not known before it starts")
    return {name: float(value or 0) for name, value in values.items()}
