"""Runs in MLflow: a study is a parent run, each stage a child of it, or of the trial that a recipe is. The only module that
imports mlflow.

Names that the analysis relies on. Metrics: ``params_total params_active params_non_embedding tokens unique_tokens epochs flops
flops_train flops_eval flops_6nd flops_new eval_loss eval_bits_per_byte wall_seconds eval_seconds tokens_per_second mfu
gpu_hours peak_memory_bytes``; curves of ``train_loss`` and ``eval_loss`` have ``tokens`` and ``flops`` at the same steps.
``flops`` are those of all steps, ``flops_new`` those that no trunk has done before. Of reinforcement learning ``flops`` is the
sum of ``flops_rollout flops_score flops_train``, beside curves of ``pass_at_1 reasoned_rate format_rate completions written
reward reward_TERM signal_rate entropy kl clip_ratio``. Tags: ``study trial stage family scale data seed config_hash git_commit
fingerprint hardware``.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import logging
import os
import platform
import subprocess
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock

from openr1 import watch
from openr1.config import TrackingConfig, flatten
from openr1.errors import ConfigError, Pruned

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 900  # MLflow refuses more than 1000 metrics a request
CONFIG_FILE = "config.yaml"
GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of NVIDIA, of AMD, and within Windows
SETTINGS = {  # of MLflow, where the environment has no other
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # no connection outlives its query: many processes share one SQLite file
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


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
        raise ConfigError(f"tracking.uri: {uri} cannot be opened: {str(error).splitlines()[0]}") from error


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
    with _locked(config.uri):
        found = store.get_experiment_by_name(config.experiment)
        if found:
            return found.experiment_id
        location = Path(config.artifacts).absolute().as_uri() if config.artifacts else None
        return store.create_experiment(config.experiment, artifact_location=location)


def _study(config: TrackingConfig, experiment: str, study: str) -> str:
    """The parent run of a study, made when it is first asked for."""
    with _locked(config.uri):
        query = f"tags.study = '{study}' AND tags.role = 'study'"
        found = client(config.uri).search_runs([experiment], query, order_by=["attributes.start_time ASC"], max_results=1)
        if found:
            return found[0].info.run_id
        run = client(config.uri).create_run(experiment, run_name=study, tags={"study": study, "role": "study"})
        client(config.uri).set_terminated(run.info.run_id)
        return run.info.run_id


def log_study(
    config: TrackingConfig, study: str, files: Iterable[Path], metrics: dict[str, float], tags: dict[str, Any]
) -> None:
    """What a whole study came to, in its parent run. Files of the same names are replaced."""
    run = Run(config.uri, _study(config, _experiment(config), study))
    with _locked(config.uri):  # workers of a search may end together
        run.tag(**tags)
        run.summarise(metrics, 0)
        run.flush()
        for path in files:
            run.log_file(path)


class Run:
    """One run that is being tracked. Metrics are sent in batches, since a request costs more than a training step."""

    def __init__(self, uri: str, run_id: str, flush_seconds: float = 5.0) -> None:
        self.client = client(uri)
        self.run_id = run_id
        self.flush_seconds = flush_seconds
        self.sent = time.monotonic()
        self.waiting: list = []
        self.first_step = 0

    def log(self, metrics: dict[str, float], step: int) -> None:
        """A point of the run's curves. Steps that a killed run already sent are not sent again."""
        if step >= self.first_step:
            self.summarise(metrics, step)

    def summarise(self, metrics: dict[str, float], step: int) -> None:
        """What the whole run came to."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.waiting += [Metric(key, float(value), now, step) for key, value in metrics.items()]
        if time.monotonic() - self.sent > self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        for start in range(0, len(self.waiting), BATCH):
            self.client.log_batch(self.run_id, metrics=self.waiting[start : start + BATCH])
        self.waiting = []
        self.sent = time.monotonic()

    def log_params(self, values: dict[str, Any]) -> None:
        from mlflow.entities import Param

        flat = [Param(key, str(value)) for key, value in flatten(values).items()]
        for start in range(0, len(flat), 100):
            self.client.log_batch(self.run_id, params=flat[start : start + 100])

    def log_dataset(self, name: str, digest: str, profile: dict[str, Any], context: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.exceptions import MlflowException

        dataset = Dataset(name, digest, "openr1", json.dumps({"name": name}), profile=json.dumps(profile))
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
        try:
            self.client.log_inputs(self.run_id, inputs)
        except MlflowException:
            # two runs that begin together both find the data set missing and add it; the one that comes second finds it now
            self.client.log_inputs(self.run_id, inputs)

    def log_file(self, path: Path) -> None:
        """A file of the artifact that a person wants to see beside the run."""
        self.client.log_artifact(self.run_id, str(path))

    def log_text(self, text: str, name: str) -> None:
        """A text as a file of the run."""
        self.client.log_text(self.run_id, text, name)

    def log_table(self, rows: list[dict[str, Any]], name: str, step: int) -> None:
        """Rows that a person reads in the MLflow UI; those of a step that a killed run already sent are not sent again."""
        if rows and step >= self.first_step:
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            self.client.log_table(self.run_id, columns, name)

    def tag(self, **tags: Any) -> None:
        from mlflow.entities import RunTag

        self.client.log_batch(self.run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])


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
    """
    store = client(config.uri)
    experiment = _experiment(config)
    if resume and _exists(store, resume):
        run = Run(config.uri, resume)
        store.update_run(resume, status="RUNNING")
        for old in {"failure", "state"} & set(store.get_run(resume).data.tags):
            store.delete_tag(resume, old)
        if watch.tags():
            run.tag(**watch.tags())
        run.first_step = 1 + max((point.step for point in store.get_metric_history(resume, "flops")), default=-1)
    else:
        parent = parent or _study(config, experiment, study)
        tags = {
            "mlflow.parentRunId": parent,
            "study": study,
            **tags,
            **watch.tags(),
            "hardware": hardware(),
            "git_commit": git_commit(),
        }
        created = store.create_run(experiment, run_name=name, tags={key: str(value) for key, value in tags.items()})
        run = Run(config.uri, created.info.run_id)
        run.log_params(params)
        store.log_text(run.run_id, yaml.safe_dump(resolved, sort_keys=False), CONFIG_FILE)
        store.log_text(run.run_id, json.dumps(environment(), indent=1), "environment.json")
    watch.note(run_id=run.run_id)
    try:
        yield run
    except Pruned as error:
        run.flush()
        run.tag(state="PRUNED", pruned=error)
        store.set_terminated(run.run_id, "KILLED")
        raise
    except BaseException as error:
        run.flush()
        run.tag(failure=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:5000])
        store.log_text(run.run_id, traceback.format_exc(), "failure.txt")
        store.set_terminated(run.run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.flush()
    store.set_terminated(run.run_id, "FINISHED")


def _exists(store: MlflowClient, run_id: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return store.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException:
        return False


def find(config: TrackingConfig, study: str, fingerprint: str, finished: bool = True) -> str | None:
    """The run id of a run of the study with this fingerprint.

    :param finished: leave out those that failed, were killed, or are still running.
    """
    query = f"tags.study = '{study}' AND tags.fingerprint = '{fingerprint}'"
    if finished:
        query += " AND attributes.status = 'FINISHED'"
    found = client(config.uri).search_runs([_experiment(config)], query, max_results=1)
    return found[0].info.run_id if found else None


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
        info.run_id, info.run_name, info.status, start, end, dict(data.tags), dict(data.params), dict(data.metrics), url
    )


def read_run(uri: str, run_id: str) -> TrackedRun:
    """One run.

    :raises ConfigError: where the store or the run is not there.
    """
    store = _opened(uri)
    if not _exists(store, run_id):
        raise ConfigError(f"run {run_id}: not in the store {uri}")
    return _tracked(store.get_run(run_id), uri)


def read_runs(uri: str, study: str | None, status: str | None = "FINISHED", **tags: str) -> list[TrackedRun]:
    """The stage runs of a study, oldest first.

    :param study: None for those of all studies.
    :param status: None for those of any.
    :param tags: that they have.
    :raises ConfigError: where there is no such store.
    """
    store = _opened(uri)
    experiments = [experiment.experiment_id for experiment in store.search_experiments()]
    wanted = {"tags.study": study, "attributes.status": status} | {f"tags.{key}": value for key, value in tags.items()}
    query = " AND ".join(["tags.stage != ''", *(f"{key} = '{value}'" for key, value in wanted.items() if value is not None)])
    runs, token = [], None
    while True:
        page = store.search_runs(experiments, query, order_by=["attributes.start_time ASC"], max_results=1000, page_token=token)
        runs += [_tracked(run, uri) for run in page]
        token = page.token
        if not token:
            return runs


def read_history(uri: str, run_id: str, names: Iterable[str] = ("tokens", "flops", "eval_loss")) -> list[dict[str, float]]:
    """One dict a logged step: ``step`` and those of ``names`` that were logged at it."""
    rows: dict[int, dict[str, float]] = {}
    for name in names:
        for point in _opened(uri).get_metric_history(run_id, name):
            rows.setdefault(point.step, {"step": point.step})[name] = point.value
    return [rows[step] for step in sorted(rows)]


def read_config(uri: str, run_id: str) -> dict[str, Any]:
    """The resolved config that a run was made from."""
    store = _opened(uri)
    read_run(uri, run_id)
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
