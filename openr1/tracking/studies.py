"""Studies as the MLflow UI shows them: the view of the runs of a study, and what its own run has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openr1.system.errors import ConfigError
from openr1.tracking import views
from openr1.tracking.reading import archived_studies
from openr1.tracking.store import client, existing_store, search_runs, store_errors

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

NEWEST = 1000  # runs by which studies are found; an older study is shown if it is named
MOST_VARIED = 6  # params in the parallel coordinates, which more would make illegible
NOT_VARIED = (
    "budget.resolved.shape.",
    "tracking.",
    "paths.",
)  # beginnings of params that follow from others, or change nothing


@dataclass(frozen=True)
class ShownStudy:
    """A study of which the store has a view."""

    name: str
    experiment: str

    def address(self, root: str) -> str:
        """Return the address of the table of its runs."""
        return views.runs_address(root, self.experiment, self.name)

    def charts(self, root: str) -> str:
        """Return the address of the charts of its runs."""
        return views.runs_address(root, self.experiment, self.name, "CHART")


def write_views(uri: str, study: str | None = None) -> ShownStudy:
    """Write the views of the newest studies into the store.

    :param study: the one that is shown, however old; None for that of the newest run.
    :raises ConfigError: if there is no store, or no run to show in it.
    :raises StoreError: if the store refuses a view.
    """
    store = existing_store(uri)
    with store_errors(uri):
        experiments = [experiment.experiment_id for experiment in store.search_experiments()]
        query = {"filter_string": "tags.study != ''", "order_by": ["attributes.start_time DESC"], "max_results": NEWEST}
        newest = list(store.search_runs(experiments, **query)) if experiments else []
    by_study: dict[str, list[MlflowRun]] = {}
    for run in newest:
        if run.data.tags.get("role") != "study":
            by_study.setdefault(run.data.tags["study"], []).append(run)
    if study is not None and study not in by_study and experiments:
        found = [run for run in search_runs(uri, experiments, {"study": study}) if run.data.tags.get("role") != "study"]
        by_study |= {study: found} if found else {}
    hidden = archived_studies(uri) - {study}
    by_study = {name: runs for name, runs in by_study.items() if name not in hidden}
    if not by_study:
        raise ConfigError(f"tracking.uri: {uri} has no runs to show yet")
    shown = next(iter(by_study)) if study is None else study
    if shown not in by_study:
        raise ConfigError(f"study: there are no runs of {shown!r} in {uri}; it has {', '.join(sorted(by_study))}")
    _write(uri, by_study)
    return ShownStudy(shown, by_study[shown][0].info.experiment_id)


def write_view(uri: str, study: str, runs: Sequence[MlflowRun]) -> None:
    """Write the view of a study into the experiment of its runs.

    :raises StoreError: if the store refuses it.
    """
    _write(uri, {study: runs})


def _write(uri: str, by_study: Mapping[str, Sequence[MlflowRun]]) -> None:
    """Write each tag of each experiment once."""
    tags: dict[str, dict[str, str]] = {}
    for study, runs in by_study.items():
        metrics = {name for run in runs for name in run.data.metrics}
        tag, value = views.saved_view(study, metrics, varied_params(runs), int(time.time() * 1000))
        tags.setdefault(runs[0].info.experiment_id, dict(views.KIND))[tag] = value
    with store_errors(uri):
        for experiment, texts in tags.items():
            for key, text in texts.items():
                client(uri).set_experiment_tag(experiment, key, text)


def varied_params(runs: Sequence[MlflowRun]) -> list[str]:
    """Return the params in which the runs of a study differ, those with the fewest values first; of equal ones, one."""
    keys = {key for run in runs for key in run.data.params if not key.startswith(NOT_VARIED)}
    values = {key: tuple(run.data.params.get(key) for run in runs) for key in sorted(keys)}
    distinct = {of_key: key for key, of_key in values.items()}  # the last name of equal ones, such as optim.lr
    varied = sorted((len(set(of_key)), key) for of_key, key in distinct.items() if len(set(of_key)) > 1)
    return [key for _, key in varied[:MOST_VARIED]]
