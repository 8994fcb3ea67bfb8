"""Rows of the runs of a study in MLflow, and of the points of their training curves.

A study is a parent run, which is never a row; its trials; and, if a trial is a recipe, a run for each of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.sources.columns import Columns
    from openr1.tracking.mlflow import TrackedRun

CHOICES = ("stage", "role")  # a condition on one of these selects among trials and steps
MEASURED = ("loss", "pass_at_1", "error", "coverage", "gold", "kl")  # measurements that make a step a point of a curve
CUMULATIVE = ("D", "C", "U")  # quantities that grow during a run
AMOUNTS = ("flops", "params_non_embedding", "tokens")  # metrics of every run that trains
STEP = "step."  # prefix of the tags of a trial that hold the run ids of its steps


def build_table(runs: Sequence[TrackedRun], where: dict[str, Any], curve: bool = False) -> pd.DataFrame:
    """Build a table with a row per run: its params, tags and metrics.

    The rows are the trials if the study is of recipes, and all runs otherwise; with ``curve``, the runs that train, which
    are the steps of recipes. A condition on ``stage`` or ``role`` selects among all of them. Rows of steps have the
    ``recipe`` of their trials. The order of the rows depends on their values, not on which run started first, since the
    last digits of a fit depend on the order of its points.
    """
    import pandas as pd

    trials = [run for run in runs if run.tags.get("role") == "trial"]
    recipes = _recipes_of_steps(trials)
    chosen = list(runs)
    if trials and not set(CHOICES) & set(where):
        chosen = [run for run in runs if run not in trials] if curve else list(trials)
    by_id = {run.run_id: run for run in runs}
    return pd.DataFrame(
        [_row(run, recipes if trials and run not in trials else None, by_id) for run in sorted(chosen, key=_sort_key)]
    )


def _sort_key(run: TrackedRun) -> tuple[list[float], str]:
    return [run.metrics.get(name, 0.0) for name in AMOUNTS], run.tags.get("fingerprint", "")


def _row(run: TrackedRun, recipes: dict[str, str] | None, by_id: dict[str, TrackedRun]) -> dict[str, Any]:
    steps = {key.removeprefix(STEP): by_id[value] for key, value in run.tags.items() if key.startswith(STEP) and value in by_id}
    of_steps = {f"{step}.{name}": value for step, made in steps.items() for name, value in made.metrics.items()}
    tags = {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}
    known = {"run_id": run.run_id, "name": run.name, "url": run.url, "start_time": run.start_time}
    row = {**of_steps, **run.params, **tags, **run.metrics, **known}
    if recipes is not None:
        row.pop("recipe", None)  # the param of a step is "None"
        row |= {"recipe": recipes[run.run_id]} if run.run_id in recipes else {}
    return row


def _recipes_of_steps(trials: Sequence[TrackedRun]) -> dict[str, str]:
    """Return run id of a step -> name of its recipe, except for a step that several recipes share."""
    recipes: dict[str, set[str]] = {}
    for trial in trials:
        for step in (value for key, value in trial.tags.items() if key.startswith(STEP)):
            recipes.setdefault(step, set()).add(trial.tags["recipe"])
    return {step: names.pop() for step, names in recipes.items() if len(names) == 1}


def read_curves(uri: str, runs: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Read a row for each step at which a run logged a measurement, with ``run``, ``step`` and the other values of the run.

    Measurements and cumulative quantities are those of the step, missing if they were not logged there.

    :raises ConfigError: if no run has such a step.
    """
    import pandas as pd

    from openr1.tracking.mlflow import read_history

    measured, cumulative = ([getattr(columns, key) or key for key in keys] for keys in (MEASURED, CUMULATIVE))
    label = "name" if runs["name"].is_unique else "run_id"
    rows = []
    for run in runs.to_dict("records"):
        # a param, such as the problems that a run is limited to, is text and has no history
        names = [name for name in (*measured, *cumulative) if not isinstance(run.get(name), str) and not pd.isna(run.get(name))]
        known = {key: value for key, value in run.items() if key not in names}
        points = read_history(uri, run["run_id"], names)
        rows += [{**known, "run": run[label], **point} for point in points if set(measured) & set(point)]
    if not rows:
        raise ConfigError(f"runs.curve: none of {len(runs)} runs has a curve of {' or '.join(dict.fromkeys(measured))}")
    return pd.DataFrame(rows)
