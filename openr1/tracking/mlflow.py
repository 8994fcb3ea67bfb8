"""Runs in MLflow: a study is a parent run, each stage a child of it, or of the trial that a recipe is. The only module that
imports mlflow.

Names that the analysis relies on. Metrics: ``params_total params_active params_non_embedding tokens unique_tokens epochs flops
flops_train flops_eval flops_6nd flops_new eval_loss eval_bits_per_byte wall_seconds eval_seconds tokens_per_second mfu
gpu_hours peak_memory_bytes``; curves of ``train_loss`` and ``eval_loss`` have ``tokens`` and ``flops`` at the same steps.
``flops`` are those of all steps, ``flops_new`` those that no trunk has done before. Of reinforcement learning ``flops`` is the
sum of ``flops_rollout flops_score flops_train``, beside curves of ``pass_at_1 reasoned_rate format_rate completions written
reward reward_TERM signal_rate entropy kl clip_ratio``. Tags: ``study trial stage family scale data seed config_hash git_commit
fingerprint hardware``. What a name is as a key of MLflow, :func:`openr1.tracking.names.to_key` says; here it is read back.

A store that does not answer is one line. Before a run it is refused (:class:`ConfigError`); a run that cannot begin in it is
FAILED; while a run trains, what cannot be sent waits, or is lost with a warning, and the run says so at its end
(:class:`StoreError`), when its artifact is there.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import logging
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock

from openr1.errors import ConfigError, Pruned, StoreError
from openr1.options import flatten
from openr1.tracking import observer
from openr1.tracking.names import condition, from_key, to_key
from openr1.tracking.options import TrackingConfig

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

BATCH = 900  # MLflow refuses more than 1000 metrics a request
CONFIG_FILE = "config.yaml"
GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of NVIDIA, of AMD, and within Windows
SETTINGS = {  # of MLflow, where the environment has no other
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no connection outlives its query: many processes share one SQLite file
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def preload() -> None:
    """Import MLflow, as every tracked run does before its first step."""
    import mlflow  # noqa: F401


@functools.cache
def client(uri: str) -> MlflowClient:
    """A client of the store, which is made first where it is a fresh SQLite file.

    :raises ConfigError: for a store that cannot be opened.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    import mlflow

    def opened() -> MlflowClient:
        found = mlflow.MlflowClient(tracking_uri=uri)
        found.search_experiments(max_results=1)
        return found

    try:
        if not _file(uri):
            return opened()
        # a fresh database is migrated by whoever opens it first, and two at once crash: one at a time until it is ready
        ready = _file(uri).with_suffix(f".{mlflow.__version__}.ready")
        if not (ready.exists() and _file(uri).exists()):
            with _locked(uri):
                opened()
                ready.touch()
        return opened()
    except Exception as error:
        raise ConfigError(f"tracking.uri: {uri} cannot be opened: {_first_line(error)}") from error


@contextmanager
def _answers(uri: str) -> Iterator[None]:
    """A block that asks the store.

    :raises ConfigError: where it cannot be opened.
    :raises StoreError: where it does not do what it is asked, in one line.
    """
    client(uri)  # whose settings are for the first import of mlflow
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        raise StoreError(f"tracking.uri: {uri}: {_first_line(error).rstrip('.')}") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")


def check_store(config: TrackingConfig) -> None:
    """Refuse a store that runs cannot be tracked in. A fresh one is not made for it.

    :raises ConfigError: where it cannot be opened or written, or the experiment was deleted in it.
    """
    path = _file(config.uri)
    if path:
        if not path.exists():
            return
        if not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
            raise ConfigError(f"tracking.uri: {path} cannot be written")
    try:
        with _answers(config.uri):
            found = client(config.uri).get_experiment_by_name(config.experiment)
    except StoreError as error:
        raise ConfigError(str(error)) from error
    if found and found.lifecycle_stage != "active":
        restore = f"MLFLOW_TRACKING_URI={config.uri} mlflow experiments restore --experiment-id {found.experiment_id}"
        raise ConfigError(
            f"tracking.experiment: {config.experiment!r} was deleted in {config.uri}; give another, or restore it: {restore}"
        )


def _file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


@contextmanager
def _locked(uri: str) -> Iterator[None]:
    """Held while something is found or else made, or replaced: several processes do so at once. SQLite stores only."""
    path = _file(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


def _experiment(config: TrackingConfig) -> str:
    store = client(config.uri)  # which locks a fresh store itself
    with _answers(config.uri), _locked(config.uri):
        found = store.get_experiment_by_name(config.experiment)
        if found:
            return found.experiment_id
        location = Path(config.artifacts).absolute().as_uri() if config.artifacts else None
        return store.create_experiment(config.experiment, artifact_location=location)


def _study(config: TrackingConfig, experiment: str, study: str) -> str:
    """The parent run of a study, made when it is first asked for."""
    tags = {"study": study, "role": "study"}
    with _answers(config.uri), _locked(config.uri):
        if found := next(_runs(config.uri, [experiment], tags), None):
            return found.info.run_id
        run = client(config.uri).create_run(experiment, run_name=study, tags=tags)
        client(config.uri).set_terminated(run.info.run_id)
        return run.info.run_id


def _runs(uri: str, experiments: list[str], tags: dict[str, str], *conditions: str) -> Iterator[MlflowRun]:
    """The runs with these tags, oldest first."""
    query = " AND ".join([*conditions, *(condition(f"tags.{key}", value) for key, value in tags.items())])
    token = None
    while True:
        with _answers(uri):
            page = client(uri).search_runs(
                experiments, query, order_by=["attributes.start_time ASC"], max_results=1000, page_token=token
            )
        yield from (run for run in page if tags.items() <= run.data.tags.items())
        token = page.token
        if not token:
            return


def log_study(
    config: TrackingConfig, study: str, files: Iterable[Path], metrics: dict[str, float], tags: dict[str, Any]
) -> None:
    """Record the results of a whole study in its parent run. Files of the same names are replaced.

    :raises StoreError: where the store does not take it.
    """
    run = Run(config.uri, _study(config, _experiment(config), study))
    with _answers(config.uri), _locked(config.uri):  # workers of a search may end together
        run.tag(**tags)
        run.summarise(metrics, 0)
        for path in files:
            run.log_file(path)
        run.settle()


class Run:
    """One run that is being tracked. Metrics are sent in batches, since a request costs more than a training step.

    What the store does not take is not the end of the run: it is said once, and again by :meth:`settle`.
    """

    def __init__(self, uri: str, run_id: str, flush_seconds: float = 5.0) -> None:
        self.uri = uri
        self.client = client(uri)
        self.run_id = run_id
        self.flush_seconds = flush_seconds
        self.sent = time.monotonic()
        self.waiting: list = []
        self.first_step = 0
        self.lost: StoreError | None = None  # why something was not tracked
        self.quiet = False  # no more warnings

    def log(self, metrics: dict[str, float], step: int) -> None:
        """A point of the run's curves. Steps that a killed run already sent are not sent again."""
        if step >= self.first_step:
            self.summarise(metrics, step)

    def summarise(self, metrics: dict[str, float], step: int) -> None:
        """What the whole run came to."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.waiting += [Metric(to_key(key), float(value), now, step) for key, value in metrics.items()]
        if time.monotonic() - self.sent > self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Send the metrics that wait; those that the store does not take now wait on."""
        self.sent = time.monotonic()
        try:
            self._flush()
        except StoreError as error:
            self._warn(error)

    def settle(self) -> None:
        """Send what waits.

        :raises StoreError: where something was not tracked.
        """
        self._flush()
        if self.lost:
            raise self.lost

    def _flush(self) -> None:
        while self.waiting:
            with _answers(self.uri):
                self.client.log_batch(self.run_id, metrics=self.waiting[:BATCH])
            del self.waiting[:BATCH]

    def _send(self, call: Callable, *arguments: Any, **named: Any) -> None:
        try:
            with _answers(self.uri):
                call(self.run_id, *arguments, **named)
        except StoreError as error:
            self.lost = self.lost or error
            self._warn(error)

    def _warn(self, error: StoreError) -> None:
        if not self.quiet:
            print(f"warning: {error}; the run goes on", file=sys.stderr, flush=True)
        self.quiet = True

    def log_params(self, values: dict[str, Any]) -> None:
        from mlflow.entities import Param

        flat = [Param(to_key(key), str(value)) for key, value in flatten(values).items()]
        for start in range(0, len(flat), 100):
            self._send(self.client.log_batch, params=flat[start : start + 100])

    def log_dataset(self, name: str, digest: str, profile: dict[str, Any], context: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.exceptions import MlflowException

        dataset = Dataset(name, digest, "openr1", json.dumps({"name": name}), profile=json.dumps(profile))
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
        try:
            self.client.log_inputs(self.run_id, inputs)
        except MlflowException:
            # two runs that begin together both find the data set missing and add it; the one that comes second finds it now
            self._send(self.client.log_inputs, inputs)

    def log_file(self, path: Path) -> None:
        """A file of the artifact that a person wants to see beside the run."""
        self._send(self.client.log_artifact, str(path))

    def log_text(self, text: str, name: str) -> None:
        """A text as a file of the run."""
        self._send(self.client.log_text, text, name)

    def log_table(self, rows: list[dict[str, Any]], name: str, step: int) -> None:
        """Rows that a person reads in the MLflow UI; those of a step that a killed run already sent are not sent again."""
        if rows and step >= self.first_step:
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            self._send(self.client.log_table, columns, name)

    def tag(self, **tags: Any) -> None:
        from mlflow.entities import RunTag

        self._send(self.client.log_batch, tags=[RunTag(to_key(key), str(value)) for key, value in tags.items()])

    def end(self, status: str) -> None:
        """Send what waits, as far as the store takes it, and set the status."""
        self.flush()
        self._send(self.client.set_terminated, status)


@contextmanager
def track(
    config: TrackingConfig,
    study: str,
    name: str,
    tags: dict[str, Any],
    params: dict[str, Any],
    resolved: dict[str, Any],
    resume: str | None = None,
    parent: str | None = None,
) -> Iterator[Run]:
    """A child run of a study, FINISHED at the end of the block, FAILED with the reason where the block raises.

    MLflow has no status for a run that was pruned: it is KILLED, and tagged ``state=PRUNED``.

    :param params: logged flat, with dotted names.
    :param resolved: the config that reproduces the run; kept as an artifact.
    :param resume: the run id of a killed run that goes on.
    :param parent: the run that it is a child of, in place of the study's.
    :raises StoreError: where the store does not take the beginning of the run, or not all that it came to.
    """
    experiment = _experiment(config)
    goes_on = resume is not None and _exists(config.uri, resume)
    if goes_on:
        run = Run(config.uri, resume)
    else:
        parent = parent or _study(config, experiment, study)
        tags = {"mlflow.parentRunId": parent, "study": study, **tags, **observer.tags()}
        tags |= {"hardware": hardware(), "git_commit": git_commit()}
        with _answers(config.uri):
            keyed = {to_key(key): str(value) for key, value in tags.items()}
            run = Run(config.uri, client(config.uri).create_run(experiment, run_name=name, tags=keyed).info.run_id)
    observer.note(run_id=run.run_id)
    run.quiet = True  # what is lost at the beginning is the end of it, and said there
    try:
        if goes_on:
            _go_on(run)
        else:
            run.log_params(params)
            run.log_text(yaml.safe_dump(resolved, sort_keys=False), CONFIG_FILE)
            run.log_text(json.dumps(environment(), indent=1), "environment.json")
        run.settle()
        run.quiet = False
        yield run
        _finish(run)
    except Pruned as error:
        run.tag(state="PRUNED", pruned=error)
        run.end("KILLED")
        raise
    except BaseException as error:
        run.quiet = True  # the reason is about to be said
        run.tag(failure=f"{type(error).__name__}: {_first_line(error)}"[:5000])
        run.log_text(traceback.format_exc(), "failure.txt")
        run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def _finish(run: Run) -> None:
    try:
        run.settle()
        with _answers(run.uri):
            run.client.set_terminated(run.run_id, "FINISHED")
    except StoreError as error:
        raise StoreError(f"{error}; what the run made is kept, and the same command tracks it again") from error


def _go_on(run: Run) -> None:
    """Take up a run that was killed."""
    with _answers(run.uri):
        run.client.update_run(run.run_id, status="RUNNING")
        for old in {"failure", "state"} & set(run.client.get_run(run.run_id).data.tags):
            run.client.delete_tag(run.run_id, old)
        history = run.client.get_metric_history(run.run_id, "flops")
    run.first_step = 1 + max((point.step for point in history), default=-1)
    if observer.tags():
        run.tag(**observer.tags())


def _exists(uri: str, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return client(uri).get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException:
        return False


def find(config: TrackingConfig, study: str, fingerprint: str, finished: bool = True) -> str | None:
    """The run id of a run of the study with this fingerprint.

    :param finished: leave out those that failed, were killed, or are still running.
    """
    conditions = ["attributes.status = 'FINISHED'"] if finished else []
    tags = {"study": study, "fingerprint": fingerprint}
    found = next(_runs(config.uri, [_experiment(config)], tags, *conditions), None)
    return found.info.run_id if found else None


@dataclass(frozen=True)
class TrackedRun:
    """What the store knows of a run: its latest metrics, its params and tags as text."""

    run_id: str
    name: str
    status: str
    start_time: datetime
    end_time: datetime | None  # None while it is running
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]
    url: str | None  # of its page, where the store is a server


def _opened(uri: str) -> MlflowClient:
    path = _file(uri)
    if path and not path.exists():
        raise ConfigError(f"tracking.uri: there is no store at {uri}")
    return client(uri)


def _tracked(run: Any, uri: str) -> TrackedRun:
    info, data = run.info, run.data
    url = f"{uri}/#/experiments/{info.experiment_id}/runs/{info.run_id}" if uri.startswith("http") else None
    start, end = (datetime.fromtimestamp(time / 1000, UTC) if time else None for time in (info.start_time, info.end_time))
    return TrackedRun(
        info.run_id, info.run_name, info.status, start, end, _named(data.tags), _named(data.params), _named(data.metrics), url
    )


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {from_key(key): value for key, value in values.items()}


def read_run(uri: str, run_id: str) -> TrackedRun:
    """One run.

    :raises ConfigError: where the store or the run is not there.
    """
    store = _opened(uri)
    if not _exists(uri, run_id):
        raise ConfigError(f"run {run_id}: not in the store {uri}")
    with _answers(uri):
        return _tracked(store.get_run(run_id), uri)


def read_runs(uri: str, study: str | None, status: str | None = "FINISHED", **tags: str) -> list[TrackedRun]:
    """The stage runs of a study, oldest first.

    :param study: None for those of all studies.
    :param status: None for those of any.
    :param tags: that they have.
    :raises ConfigError: where there is no such store.
    """
    store = _opened(uri)
    with _answers(uri):
        experiments = [experiment.experiment_id for experiment in store.search_experiments()]
    wanted = tags if study is None else {"study": study, **tags}
    conditions = ["tags.stage != ''"] + ([f"attributes.status = '{status}'"] if status else [])
    return [_tracked(run, uri) for run in _runs(uri, experiments, wanted, *conditions)] if experiments else []


def read_history(uri: str, run_id: str, names: Iterable[str] = ("tokens", "flops", "eval_loss")) -> list[dict[str, float]]:
    """One dict a logged step: ``step`` and those of ``names`` that were logged at it."""
    rows: dict[int, dict[str, float]] = {}
    for name in names:
        with _answers(uri):
            history = _opened(uri).get_metric_history(run_id, to_key(name))
        for point in history:
            rows.setdefault(point.step, {"step": point.step})[name] = point.value
    return [rows[step] for step in sorted(rows)]


def read_config(uri: str, run_id: str) -> dict[str, Any]:
    """The resolved config that a run was made from."""
    store = _opened(uri)
    read_run(uri, run_id)
    with _answers(uri):
        return yaml.safe_load(Path(store.download_artifacts(run_id, CONFIG_FILE)).read_text())


@functools.cache
def environment() -> dict[str, Any]:
    """Python, platform and the version of every installed distribution."""
    packages = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": dict(sorted(packages.items()))}


@functools.cache
def hardware() -> str:
    """The processor, or the GPU where torch sees one, in words."""
    if any(Path(driver).exists() for driver in GPU_DRIVERS):  # to import torch takes seconds
        import torch

        if torch.cuda.is_available():
            return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{os.cpu_count()} x {model or platform.machine()}"


@functools.cache
def git_commit() -> str:
    """The commit of this code, with ``-dirty`` where files differ from it; ``unknown`` for an installed wheel."""
    here = Path(__file__).parent

    def git(*command: str) -> str:
        return subprocess.run(["git", "-C", str(here), *command], capture_output=True, text=True, check=True).stdout.strip()

    try:
        tracked = git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("rev-parse", "HEAD") + ("-dirty" if tracked and git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
