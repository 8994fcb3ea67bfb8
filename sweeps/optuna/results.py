"""What a study has found: ``optimization_results.yaml``, its trials as Parquet, and Optuna's figures."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import yaml
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from openr1.files import replacing
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.tally import Tally

RESULTS = "optimization_results.yaml"
TRIALS = "trials.parquet"

log = logging.getLogger(__name__)


def write(study: Study, sweep: SearchConfig, folder: Path) -> list[Path]:
    """Write all of it, and return the files. Two workers that end together write the same."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / RESULTS, folder / TRIALS]
    with replacing(paths[0], shared=True) as temporary:
        temporary.write_text(yaml.safe_dump(summary(study, sweep), sort_keys=False))
    with replacing(paths[1], shared=True) as temporary:
        frame(study, sweep).to_parquet(temporary, index=False)
    return paths + figures(study, sweep, folder)


def best(study: Study) -> list[FrozenTrial]:
    """The best feasible trial; of several objectives, those that no other one beats in all of them."""
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not any(all(value <= 0 for value in trial.constraints.values()) for trial in completed):
        return []
    return [study.best_trial] if len(study.directions) == 1 else study.best_trials


def summary(study: Study, sweep: SearchConfig) -> dict[str, Any]:
    """As Hydra's own plugin for Optuna writes it, and what else there is to say."""
    tally, found = Tally.of(study), best(study)
    result: dict[str, Any] = {"name": "optuna", "study": sweep.name, "storage": _without_password(sweep.storage)}
    if len(sweep.objectives) == 1:
        if found:
            result |= {
                "best_evaluated_params": params_of(found[0]),
                "best_value": found[0].value,
                "best_trial": found[0].number,
            }
    else:
        result["solutions"] = [
            {"trial": trial.number, "params": params_of(trial), "values": list(trial.values)} for trial in found
        ]
    result["objective"] = dict(zip(sweep.objectives, sweep.directions, strict=True))
    states = {state.name.lower(): sum(trial.state == state for trial in tally.trials) for state in TrialState}
    result["trials"] = {name: count for name, count in states.items() if count}
    if tally.failed:
        result["failures"] = {trial.number: trial.user_attrs.get("failure", "") for trial in tally.failed}
    return result


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """Those that its run had: where memory was out, with what was halved since they were drawn."""
    return trial.params | trial.user_attrs.get("halved", {})


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return url if url.startswith("journal:") else make_url(url).render_as_string(hide_password=True)


def frame(study: Study, sweep: SearchConfig):
    """One row a trial, those that were tried again too: params and figures by their names, and what became of it."""
    import pandas as pd

    rows = []
    for trial in study.get_trials(deepcopy=False):
        row = {"number": trial.number, "state": trial.state.name}
        row |= {f"params.{key}": value for key, value in params_of(trial).items()}
        row |= {f"metrics.{key}": value for key, value in trial.user_attrs.get("metrics", {}).items()}
        row |= dict(zip(sweep.objectives, trial.values or (), strict=False))
        row |= {f"constraints.{key}": value for key, value in trial.constraints.items()}
        row |= {key: trial.user_attrs.get(key) for key in ("run_id", "failure", "pruned")}
        row |= {"start": trial.datetime_start, "complete": trial.datetime_complete}
        row["last_tokens"] = max(trial.intermediate_values, default=None)
        rows.append(row)
    table = pd.DataFrame(rows)
    for name in table.columns:
        if table[name].map(type).nunique() > 1 and table[name].dtype == object and name.startswith("params."):
            table[name] = table[name].map(lambda value: None if pd.isna(value) else str(value))
    return table


def figures(study: Study, sweep: SearchConfig, folder: Path) -> list[Path]:
    """History, slices, importances and Pareto front, as far as there are trials enough."""
    import matplotlib

    matplotlib.use("agg")
    logging.getLogger("matplotlib.category").setLevel(logging.WARNING)
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as plots

    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(completed) < 2:
        return []
    wanted: dict[str, Any] = {}
    several = len(sweep.objectives) > 1
    for i, name in enumerate(sweep.objectives):
        options = {"target": lambda trial, i=i: trial.values[i]} if several else {}
        ending = f"_{name}" if several else ""
        wanted[f"history{ending}"] = (plots.plot_optimization_history, {**options, "target_name": name})
        wanted[f"slice{ending}"] = (plots.plot_slice, {**options, "target_name": name})
        wanted[f"importance{ending}"] = (plots.plot_param_importances, {**options, "target_name": name})
    if 2 <= len(sweep.objectives) <= 3:
        wanted["pareto"] = (plots.plot_pareto_front, {"target_names": sweep.objectives})
    paths = []
    for name, (plot, options) in wanted.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plot(study, **options)
            except (ValueError, RuntimeError) as error:
                log.info("no figure of %s: %s", name, error)  # such as importances where all values are one
                continue
            for axes in pyplot.gcf().axes:
                if axes.get_xscale() == "log":  # whose labels are wide
                    axes.tick_params(axis="x", which="both", labelrotation=45)
            paths.append(folder / f"{name}.png")
            with replacing(paths[-1], shared=True) as temporary:
                pyplot.savefig(temporary, dpi=120, bbox_inches="tight", format="png")
            pyplot.close("all")
    return paths
