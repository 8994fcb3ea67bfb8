"""The results of a study: ``optimization_results.yaml``, its trials as Parquet, and Optuna's figures."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.storage import without_password
from openr1.sweeps.optuna.trial_counts import TrialCounts
from openr1.system.files import replacing

if TYPE_CHECKING:
    import pandas as pd

RESULTS = "optimization_results.yaml"
TRIALS = "trials.parquet"

log = logging.getLogger(__name__)


def write_results(study: Study, sweep: SearchConfig, folder: Path) -> list[Path]:
    """Write all results, and return the files. Two workers that end together write the same."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / RESULTS, folder / TRIALS]
    with replacing(paths[0], shared=True) as temporary:
        temporary.write_text(yaml.safe_dump(summarise(study, sweep), sort_keys=False))
    with replacing(paths[1], shared=True) as temporary:
        trials_frame(study, sweep).to_parquet(temporary, index=False)
    return paths + draw_figures(study, sweep, folder)


def best_trials(study: Study) -> list[FrozenTrial]:
    """Return the best feasible trial, or the Pareto front of several objectives."""
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not any(all(excess <= 0 for excess in trial.constraints.values()) for trial in completed):
        return []
    return [study.best_trial] if len(study.directions) == 1 else study.best_trials


def summarise(study: Study, sweep: SearchConfig) -> dict[str, Any]:
    """Return the results as Hydra's own plugin for Optuna writes them, with the study, its trials by state and its failures."""
    counts, best = TrialCounts.of(study), best_trials(study)
    summary: dict[str, Any] = {"name": "optuna", "study": sweep.name, "storage": without_password(sweep.storage)}
    if len(sweep.objectives) == 1:
        if best:
            summary |= {
                "best_evaluated_params": run_params(best[0]),
                "best_value": best[0].value,
                "best_trial": best[0].number,
            }
    else:
        summary["solutions"] = [
            {"trial": trial.number, "params": run_params(trial), "values": list(trial.values)} for trial in best
        ]
    summary["objective"] = dict(zip(sweep.objectives, sweep.directions, strict=True))
    states = {state.name.lower(): sum(trial.state == state for trial in counts.trials) for state in TrialState}
    summary["trials"] = {name: count for name, count in states.items() if count}
    if counts.failed:
        summary["failures"] = {trial.number: trial.user_attrs.get("failure", "") for trial in counts.failed}
    return summary


def run_params(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters of a trial's run, with the key that was halved when memory ran out."""
    return trial.params | trial.user_attrs.get("halved", {})


def trials_frame(study: Study, sweep: SearchConfig) -> pd.DataFrame:
    """Return a row for each trial, retried ones included: parameters, metrics, constraints, reasons and times."""
    import pandas as pd

    rows = []
    for trial in study.get_trials(deepcopy=False):
        row = {"number": trial.number, "state": trial.state.name}
        row |= {f"params.{key}": value for key, value in run_params(trial).items()}
        row |= {f"metrics.{key}": value for key, value in trial.user_attrs.get("metrics", {}).items()}
        row |= dict(zip(sweep.objectives, trial.values or (), strict=False))
        row |= {f"constraints.{key}": value for key, value in trial.constraints.items()}
        row |= {key: trial.user_attrs.get(key) for key in ("run_id", "pruned")}
        # another worker may have begun to end a trial as failed that has completed
        row["failure"] = trial.user_attrs.get("failure") if trial.state == TrialState.FAIL else None
        row |= {"start": trial.datetime_start, "complete": trial.datetime_complete}
        row["last_tokens"] = max(trial.intermediate_values, default=None)
        rows.append(row)
    table = pd.DataFrame(rows)
    for name in table.columns:
        # a column of Parquet has one type
        if table[name].map(type).nunique() > 1 and table[name].dtype == object and name.startswith("params."):
            table[name] = table[name].map(lambda value: None if pd.isna(value) else str(value))
    return table


def draw_figures(study: Study, sweep: SearchConfig, folder: Path) -> list[Path]:
    """Draw history, slices, importances and Pareto front, where there are enough trials, and return the files."""
    import matplotlib

    matplotlib.use("agg")
    logging.getLogger("matplotlib.category").setLevel(logging.WARNING)
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as plots

    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(completed) < 2:
        return []
    figures: dict[str, Any] = {}
    several = len(sweep.objectives) > 1
    for i, name in enumerate(sweep.objectives):
        options = {"target": lambda trial, i=i: trial.values[i]} if several else {}
        ending = f"_{name}" if several else ""
        figures[f"history{ending}"] = (plots.plot_optimization_history, {**options, "target_name": name})
        figures[f"slice{ending}"] = (plots.plot_slice, {**options, "target_name": name})
        figures[f"importance{ending}"] = (plots.plot_param_importances, {**options, "target_name": name})
    if 2 <= len(sweep.objectives) <= 3:
        figures["pareto"] = (plots.plot_pareto_front, {"target_names": sweep.objectives})
    paths = []
    for name, (plot, options) in figures.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plot(study, **options)
            except (ValueError, RuntimeError) as error:
                log.info("no figure of %s: %s", name, error)  # such as importances where all values are equal
                continue
            for axes in pyplot.gcf().axes:
                if axes.get_xscale() == "log":  # whose labels are wide
                    axes.tick_params(axis="x", which="both", labelrotation=45)
            paths.append(folder / f"{name}.png")
            with replacing(paths[-1], shared=True) as temporary:
                pyplot.savefig(temporary, dpi=120, bbox_inches="tight", format="png")
            pyplot.close("all")
    return paths
