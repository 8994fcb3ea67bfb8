"""Which of the runs that a study has in MLflow are rows of its table, and the points of their curves.

A study is a parent run, which is never a row; its trials; and, where a trial is a recipe, a run for each of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.sources.frame import Columns
    from openr1.tracking.mlflow import TrackedRun

CHOICES = ("stage", "role")  # a condition on one of them chooses among trials and steps
MEASURED = ("loss", "pass_at_1", "error", "coverage")  # what a point of a curve is of
CUMULATIVE = ("D", "C", "U")  # what grows in the course of a run
STEP = "step."  # the tags of a trial that hold the run of each of its steps


def table(runs: Sequence[TrackedRun], where: dict[str, Any], curve: bool = False) -> pd.DataFrame:
    """A row a run: its params, tags and metrics.

    The trials, where the study is of recipes, and else all runs; with ``curve``, the runs that train, which are the steps of
    recipes. A condition on ``stage`` or ``role`` chooses among all of them. Rows of steps have the ``recipe`` of their trials.
    """
    import pandas as pd

    trials = [run for run in runs if run.tags.get("role") == "trial"]
    recipes = _recipes(trials)
    chosen = list(runs)
    if trials and not set(CHOICES) & set(where):
        chosen = [run for run in runs if run not in trials] if curve else trials
    return pd.DataFrame([_row(run, recipes if trials and run not in trials else None) for run in chosen])


def _row(run: TrackedRun, recipes: dict[str, str] | None) -> dict[str, Any]:
    tags = {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}
    known = {"run_id": run.run_id, "name": run.name, "url": run.url, "start_time": run.start_time}
    row = {**run.params, **tags, **run.metrics, **known}
    if recipes is not None:
        row.pop("recipe", None)  # a step has none of its own: the param is "None"
        row |= {"recipe": recipes[run.run_id]} if run.run_id in recipes else {}
    return row


def _recipes(trials: Sequence[TrackedRun]) -> dict[str, str]:
    """Run of a step -> the recipe that it is a step of; not for one that several recipes share."""
    found: dict[str, set[str]] = {}
    for trial in trials:
        for step in (value for key, value in trial.tags.items() if key.startswith(STEP)):
            found.setdefault(step, set()).add(trial.tags["recipe"])
    return {step: names.pop() for step, names in found.items() if len(names) == 1}


def curves(uri: str, runs: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """A row for each step of each run at which something was measured, with ``run``, ``step`` and all else of the run.

    What is measured, and what grows, is of the step alone: missing where it was not logged there.

    :raises ConfigError: where no run has such a step.
    """
    import pandas as pd

    from openr1.tracking.mlflow import read_history

    measured, cumulative = ([getattr(columns, key) or key for key in keys] for keys in (MEASURED, CUMULATIVE))
    label = "name" if runs["name"].is_unique else "run_id"
    rows = []
    for run in runs.to_dict("records"):
        names = [name for name in (*measured, *cumulative) if not pd.isna(run.get(name))]
        known = {key: value for key, value in run.items() if key not in names}
        points = read_history(uri, run["run_id"], names)
        rows += [{**known, "run": run[label], **point} for point in points if set(measured) & set(point)]
    if not rows:
        raise ConfigError(f"runs.curve: none of {len(runs)} runs has a curve of {' or '.join(dict.fromkeys(measured))}")
    return pd.DataFrame(rows)
