"""Forecasts of planned runs, registered before the runs exist: ``openr1-plan forecast=STUDY``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from openr1.errors import ConfigError
from openr1.tracking.environment import git_commit
from openr1.tracking.mlflow import log_study
from sweeps.planning.plan import PlannedRun


def register_forecasts(runs: Sequence[PlannedRun], study: str) -> tuple[list[Path], list[str]]:
    """Forecast the loss of planned runs from the finished runs of a study, and register it in their study and in MLflow.

    :returns: the files that were written, and a sentence for each run.
    :raises ConfigError: if a run has begun, or the study has too few runs to forecast from.
    """
    import pandas as pd

    from analysis.forecast.forecast import forecast
    from analysis.forecast.registry import register
    from analysis.sources.readers import read_mlflow

    begun = [run.name for run in runs if run.main.share_done() > 0]
    if begun:
        raise ConfigError(f"forecast: {begun[0]} has begun; a forecast is registered before its run exists")
    first = runs[0].config
    frame = read_mlflow(first.tracking.uri, study, where={"stage": runs[0].main.kind}).frame
    targets = pd.DataFrame([_inputs(run) for run in runs])
    result = forecast(frame, at=targets)
    named = [{"name": run.name, "fingerprint": run.main.fingerprint} for run in runs]
    folder = Path(first.paths.studies) / first.study
    paths = register(folder, result, named, (study, frame), first.study, git_commit())
    rows = result.table.to_dict("records")
    metrics = {f"forecast_loss.{run['fingerprint'][:8]}": float(row["predicted"]) for run, row in zip(named, rows, strict=True)}
    log_study(first.tracking, first.study, paths, metrics, {})
    factor = targets["C"].max() / result.largest
    sentences = [
        f"{run['name']}: expect a loss of {row['predicted']:.3f} nats per token, and with 95 % probability one from"
        f" {row['run_low_95']:.3f} to {row['run_high_95']:.3f} ({result.chosen[0]}, from {len(frame)} runs of {study};"
        f" {factor:.3g} times the FLOPs of the largest)"
        for run, row in zip(named, rows, strict=True)
    ]
    return paths, sentences


def _inputs(run: PlannedRun) -> dict[str, float]:
    """Return N, D and C of a run as they will be logged.

    :raises ConfigError: if they are not known before it starts.
    """
    estimate = run.main.estimate
    values = {"N": estimate.params, "D": estimate.tokens, "C": estimate.flops}
    if missing := [name for name, value in values.items() if not value]:
        raise ConfigError(f"forecast: {', '.join(missing)} of {run.name} is not known before it starts")
    return {name: float(value or 0) for name, value in values.items()}
