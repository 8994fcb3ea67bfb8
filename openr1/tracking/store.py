"""The MLflow store: opening it, checking it, and turning its errors into one line.

The other modules of this package reach MLflow through this one.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from openr1.system.errors import ConfigError, RunError, StoreError
from openr1.system.faults import fault_line, is_full
from openr1.system.files import check_place, locked
from openr1.system.interrupts import deferred
from openr1.tracking import sqlite
from openr1.tracking.names import query_condition
from openr1.tracking.options import TrackingConfig
from openr1.tracking.patience import PatientClient, is_away, patiently

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

# environment variables of MLflow, set unless the environment has them
SETTINGS = {
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # its errors reach the user as one line, not as a stack trace
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # of each run that ends
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no connection outlives its query: many processes share one SQLite file
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # openr1.tracking.patience repeats requests
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
REFUSALS = {  # code of an error of MLflow -> reason
    "UNAUTHENTICATED": "the server asks for a user and a password, or refuses these; set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    "PERMISSION_DENIED": "the server does not permit this to the user, who needs the permission EDIT of the experiment",
    "ENDPOINT_NOT_FOUND": "no MLflow server answers at this address (HTTP 404)",
}


def client(uri: str) -> MlflowClient:
    """Return the client of a store, which is opened once: a relative file is that of the current folder.

    :raises ConfigError: if the store cannot be opened.
    :raises RunError: if the disk is full.
    """
    path = sqlite.path_of(uri)
    # MLflow and SQLAlchemy keep what they have opened under its address, whatever the folder is later
    return _opened(uri if path is None else f"sqlite:///{path.absolute()}")


def open_store(uri: str) -> MlflowClient:
    """Open the store, and create it first if it is a SQLite file that does not exist yet.

    Requests of the client wait for a store that is locked or away (:mod:`openr1.tracking.patience`).

    :raises ConfigError: if the store cannot be opened.
    :raises RunError: if the disk is full.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    import mlflow

    def connect(uri: str) -> MlflowClient:
        store = mlflow.MlflowClient(tracking_uri=uri)
        store.search_experiments(max_results=1)
        return store

    path = sqlite.path_of(uri)
    try:
        store = patiently(uri, lambda: connect(uri) if path is None else _open_file(uri, path, connect))
        if path is not None and os.access(path, os.W_OK) and sqlite.moved_artifacts(path):
            with locked_store(uri):
                sqlite.follow_artifacts(path)
    except (ConfigError, RunError):
        raise
    except Exception as error:
        if is_full(error):
            raise RunError(f"tracking.uri: {fault_line(error, path)}") from error
        raise ConfigError(f"tracking.uri: {uri} cannot be opened: {reason(error)}") from error
    return cast("MlflowClient", PatientClient(store, uri))


_opened = functools.cache(open_store)


def _open_file(uri: str, path: Path, connect: Callable[[str], MlflowClient]) -> MlflowClient:
    """Open a store in a SQLite file, which is made if it does not exist, and made anew if it was left half-made."""
    if sqlite.is_whole(path):
        try:
            return connect(uri)
        except Exception as error:
            if is_away(error) or not sqlite.is_left_over(path):
                raise
    with locked_store(uri):  # two processes that migrate a database at once crash
        if not sqlite.is_whole(path) or not _opens(uri, connect):
            sqlite.make_whole(path, connect)
        return connect(uri)


def _opens(uri: str, connect: Callable[[str], MlflowClient]) -> bool:
    """Return False for a store that does not open, but for one that is only locked."""
    try:
        connect(uri)
    except Exception as error:
        if is_away(error):
            raise
        return False
    return True


def existing_store(uri: str) -> MlflowClient:
    """Open a store for reading.

    :raises ConfigError: if there is no store, or it cannot be opened.
    """
    path = sqlite.path_of(uri)
    if path and not path.exists():
        raise ConfigError(f"tracking.uri: there is no store at {uri}")
    return client(uri)


def check_store(config: TrackingConfig) -> None:
    """Refuse a store in which runs cannot be tracked. A store that does not exist yet is not created.

    :raises ConfigError: if it cannot be opened or written, or the experiment was deleted in it.
    """
    path = sqlite.path_of(config.uri)
    if path:
        check_place(path.parent, "tracking.uri")
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
        if is_full(error):
            raise StoreError(f"tracking.uri: {fault_line(error, uri)}") from error
        raise StoreError(f"tracking.uri: {uri}: {reason(error)}") from error


@contextmanager
def locked_store(uri: str) -> Iterator[None]:
    """Hold a lock while the block finds, creates or replaces something that several processes may want at once.

    Only SQLite stores have a lock.
    """
    path = sqlite.path_of(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(Path(f"{path}.lock")):
        yield


def reason(error: BaseException) -> str:
    """Return why a store refused a request or did not answer, in plain words where MLflow quotes HTTP."""
    code = getattr(error, "error_code", None)
    if code in REFUSALS:
        return REFUSALS[code]
    causes = " ".join(map(str, (error, error.__cause__, error.__context__)))
    if is_away(error) and "HTTPConnectionPool" in causes.replace("HTTPSC", "HTTPC"):
        status = re.search(r"too many (\d+) error responses", causes)
        return f"the server does not answer (HTTP {status[1]})" if status else "the server does not answer"
    return first_line(error).rstrip(".")


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


def run_exists(uri: str, run_id: str, study: str | None = None) -> bool:
    """Return True if the store has this run and it is not deleted.

    :param study: that the run must be of: a study may have been renamed since somebody wrote down its runs.
    :raises StoreError: if the store does not answer.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client(uri).get_run(run_id)
    except MlflowException as error:
        if is_away(error):
            raise StoreError(f"tracking.uri: {uri}: {reason(error)}") from error
        return False
    return run.info.lifecycle_stage == "active" and study in (None, run.data.tags.get("study"))


def preload() -> None:
    """Import MLflow, as every tracked run does before its first step."""
    import mlflow  # noqa: F401
