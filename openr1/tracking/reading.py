"""Tracked runs, read back from MLflow as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from openr1.system.errors import ConfigError
from openr1.tracking.names import from_key, is_for_the_ui, to_key
from openr1.tracking.params import HIDDEN, hidden_params, take_facts
from openr1.tracking.patience import is_away
from openr1.tracking.store import existing_store, run_exists, search_runs, store_errors

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

ARCHIVED = "archived"  # tag of the study's own run
CONFIG_FILE = "config.yaml"  # the resolved config, among the files of a tracked run


@dataclass(frozen=True)
class TrackedRun:
    """One run as the store has it: its latest metrics, and its params and tags as text."""

    run_id: str
    name: str
    status: str
    start_time: datetime
    end_time: datetime | None  # None while it is running
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    url: str | None  # address of its page, if the store is a server


def read_run(uri: str, run_id: str) -> TrackedRun:
    """Read one run.

    :raises ConfigError: if the store or the run does not exist.
    """
    store = existing_store(uri)
    if not run_exists(uri, run_id):
        raise ConfigError(f"run {run_id}: not in the store {uri}")
    with store_errors(uri):
        return _tracked_run(store.get_run(run_id), uri)


def read_runs(uri: str, study: str | None, status: str | None = "FINISHED", **tags: str) -> list[TrackedRun]:
    """Read the stage runs of a study, oldest first.

    :param study: None for the runs of all studies.
    :param status: None for runs of any status.
    :param tags: tags that the runs must have.
    :raises ConfigError: if the store does not exist.
    """
    wanted = tags if study is None else {"study": study, **tags}
    conditions = ["tags.stage != ''"] + ([f"attributes.status = '{status}'"] if status else [])
    return [_tracked_run(run, uri) for run in search_all(uri, wanted, *conditions)]


def find_study(uri: str, study: str) -> str | None:
    """Return the id of the parent run of a study; None if the store does not have the study."""
    return next((run.info.run_id for run in search_all(uri, {"study": study, "role": "study"})), None)


def study_names(uri: str) -> list[str]:
    """Return the names of the studies of a store, oldest first.

    :raises ConfigError: if the store does not exist.
    """
    return list(dict.fromkeys(run.data.tags["study"] for run in search_all(uri, {"role": "study"})))


def archived_studies(uri: str) -> set[str]:
    """Return the names of the studies that are archived.

    :raises ConfigError: if the store does not exist.
    """
    return {run.data.tags["study"] for run in search_all(uri, {"role": "study", ARCHIVED: "true"})}


def search_all(uri: str, tags: dict[str, str], *conditions: str) -> Iterator[MlflowRun]:
    """Yield the runs of all experiments that have these tags and meet the conditions, oldest first.

    :raises ConfigError: if the store does not exist.
    """
    store = existing_store(uri)
    with store_errors(uri):
        experiments = [experiment.experiment_id for experiment in store.search_experiments()]
    yield from search_runs(uri, experiments, tags, *conditions) if experiments else ()


def read_history(uri: str, run_id: str, names: Iterable[str] = ("tokens", "flops", "eval_loss")) -> list[dict[str, float]]:
    """Read the curves of a run: one dict a logged step, with ``step`` and those of ``names`` that were logged at it."""
    rows: dict[int, dict[str, float]] = {}
    for name in names:
        with store_errors(uri):
            history = existing_store(uri).get_metric_history(run_id, to_key(name))
        for point in history:
            rows.setdefault(point.step, {"step": point.step})[name] = point.value
    return [rows[step] for step in sorted(rows)]


def read_config(uri: str, run_id: str) -> dict[str, Any]:
    """Read the resolved config that reproduces a run.

    :raises ConfigError: if the store does not have it, because the run was killed at its start or the files of runs are gone.
    """
    text = read_file(uri, run_id, CONFIG_FILE)
    if text is None:
        raise ConfigError(f"run {run_id}: {uri} has no {CONFIG_FILE} of it, so that its config is not known")
    return yaml.safe_load(text)


def read_file(uri: str, run_id: str, name: str) -> str | None:
    """Read the text of a file of a run; None if there is none.

    :raises ConfigError: if the store or the run does not exist.
    """
    from mlflow.exceptions import MlflowException

    store = existing_store(uri)
    read_run(uri, run_id)
    with store_errors(uri):
        try:
            if not any(file.path == name for file in store.list_artifacts(run_id)):
                return None
            return Path(store.download_artifacts(run_id, name)).read_text()
        except (MlflowException, OSError) as error:
            if is_away(error):
                raise
            return None


def _tracked_run(run: MlflowRun, uri: str) -> TrackedRun:
    info, data = run.info, run.data
    params = _with_names(data.params) | hidden_params(data.tags)
    facts = take_facts(params)
    return TrackedRun(
        run_id=info.run_id,
        name=info.run_name,
        status=info.status,
        start_time=_time(info.start_time),
        end_time=_time(info.end_time) if info.end_time else None,
        tags=_with_names({key: value for key, value in data.tags.items() if not key.startswith(HIDDEN)}),
        params=params,
        metrics=_with_names({key: value for key, value in data.metrics.items() if not is_for_the_ui(key)}) | facts,
        url=f"{uri}/#/experiments/{info.experiment_id}/runs/{info.run_id}" if uri.startswith("http") else None,
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _with_names(values: dict[str, Any]) -> dict[str, Any]:
    return {from_key(key): value for key, value in values.items()}
