"""The MLflow store: opening it, checking it, and turning its errors into one line.

The other modules of this package reach MLflow through this one.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from openr1.errors import ConfigError, StoreError
from openr1.interrupts import deferred
from openr1.tracking.names import query_condition
from openr1.tracking.options import TrackingConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

# environment variables of MLflow, set unless the environment has them
SETTINGS = {
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no connection outlives its query: many processes share one SQLite file
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


@functools.cache
def client(uri: str) -> MlflowClient:
    """Open the store, and create it first if it is a SQLite file that does not exist yet.

    :raises ConfigError: if the store cannot be opened.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    import mlflow

    def connect() -> MlflowClient:
        store = mlflow.MlflowClient(tracking_uri=uri)
        store.search_experiments(max_results=1)
        return store

    try:
        path = sqlite_file(uri)
        if path is None:
            return connect()
        # the first process that opens a fresh database migrates it, and two at once crash: one at a time until it is ready
        ready = path.with_suffix(f".{mlflow.__version__}.ready")
        if not (ready.exists() and path.exists()):
            with locked_store(uri):
                connect()
                ready.touch()
        return connect()
    except Exception as error:
        raise ConfigError(f"tracking.uri: {uri} cannot be opened: {first_line(error)}") from error


def existing_store(uri: str) -> MlflowClient:
    """Open a store for reading.

    :raises ConfigError: if there is no store, or it cannot be opened.
    """
    path = sqlite_file(uri)
    if path and not path.exists():
        raise ConfigError(f"tracking.uri: there is no store at {uri}")
    return client(uri)


def check_store(config: TrackingConfig) -> None:
    """Refuse a store in which runs cannot be tracked. A store that does not exist yet is not created.

    :raises ConfigError: if it cannot be opened or written, or the experiment was deleted in it.
    """
    path = sqlite_file(config.uri)
    if path:
        if not path.exists():
            return
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            raise ConfigError(f"tracking.uri: {path} cannot be written")
    try:
        with store_errors(config.uri):
            experiment = client(config.uri).get_experiment_by_name(config.experiment)
    except StoreError as error:
        raise ConfigError(str(error)) from error
    if experiment and experiment.lifecycle_stage != "active":
        restore = f"MLFLOW_TRACKING_URI={config.uri} mlflow experiments restore --experiment-id {experiment.experiment_id}"
        raise ConfigError(
            f"tracking.experiment: {config.experiment!r} was deleted in {config.uri}; give another, or restore it: {restore}"
        )


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn errors of MLflow in the block into one line.

    :raises ConfigError: if the store cannot be opened.
    :raises StoreError: if the store refuses a request or does not answer.
    """
    client(uri)  # sets the environment before mlflow is first imported
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        raise StoreError(f"tracking.uri: {uri}: {first_line(error).rstrip('.')}") from error


@contextmanager
def locked_store(uri: str) -> Iterator[None]:
    """Hold a lock while the block finds, creates or replaces something that several processes may want at once.

    Only SQLite stores have a lock.
    """
    path = sqlite_file(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite store; None for any other store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return next(iter(str(error).splitlines()), "")


def ensure_experiment(config: TrackingConfig) -> str:
    """Return the id of the experiment, which is created if it does not exist."""
    store = client(config.uri)  # it locks a fresh store itself
    with store_errors(config.uri), locked_store(config.uri):
        experiment = store.get_experiment_by_name(config.experiment)
        if experiment:
            return experiment.experiment_id
        location = Path(config.artifacts).absolute().as_uri() if config.artifacts else None
        return store.create_experiment(config.experiment, artifact_location=location)


def ensure_study(config: TrackingConfig, experiment: str, study: str) -> str:
    """Return the id of the parent run of a study, which is created if it does not exist."""
    tags = {"study": study, "role": "study"}
    with store_errors(config.uri), locked_store(config.uri):
        if parent := next(search_runs(config.uri, [experiment], tags), None):
            return parent.info.run_id
        with deferred():  # its status is that of a run under way until it is set
            run = client(config.uri).create_run(experiment, run_name=study, tags=tags)
            client(config.uri).set_terminated(run.info.run_id)
        return run.info.run_id


def search_runs(uri: str, experiments: list[str], tags: dict[str, str], *conditions: str) -> Iterator[MlflowRun]:
    """Yield the runs that have these tags and meet the conditions, oldest first."""
    query = " AND ".join([*conditions, *(query_condition(f"tags.{key}", value) for key, value in tags.items())])
    token = None
    while True:
        with store_errors(uri):
            page = client(uri).search_runs(
                experiments, query, order_by=["attributes.start_time ASC"], max_results=1000, page_token=token
            )
        # a condition may hold for other values too
        yield from (run for run in page if tags.items() <= run.data.tags.items())
        token = page.token
        if not token:
            return


def run_exists(uri: str, run_id: str) -> bool:
    """Return True if the store has this run and it is not deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client(uri).get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException:
        return False


def preload() -> None:
    """Import MLflow, as every tracked run does before its first step."""
    import mlflow  # noqa: F401
