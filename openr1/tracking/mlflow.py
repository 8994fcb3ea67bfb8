"""Runs written to MLflow: a study is a parent run, and each stage a child of it, or of the trial of a recipe.

Callers import this module; it also exports what :mod:`openr1.tracking.store`, :mod:`openr1.tracking.reading` and
:mod:`openr1.tracking.environment` offer them.

The analysis relies on these names. Metrics: ``params_total params_active params_non_embedding tokens unique_tokens epochs flops
flops_train flops_eval flops_6nd flops_new eval_loss eval_bits_per_byte wall_seconds eval_seconds tokens_per_second mfu
gpu_hours peak_memory_bytes``; curves of ``train_loss`` and ``eval_loss`` have ``tokens`` and ``flops`` at the same steps.
``flops`` counts all steps, ``flops_new`` leaves out those taken over from a trunk. In reinforcement learning ``flops`` is the
sum of ``flops_rollout flops_score flops_train``, beside curves of ``pass_at_1 reasoned_rate format_rate completions written
reward reward_TERM signal_rate entropy kl clip_ratio``. Tags: ``study trial stage family scale data seed config_hash git_commit
fingerprint hardware``. :func:`openr1.tracking.names.to_key` turns a name into a key that MLflow accepts; reading turns it back.

If the store does not answer, the user sees one line. Before a run the store is refused (:class:`openr1.errors.ConfigError`). A
run that cannot begin in it is FAILED. While a run trains, metrics that cannot be sent are kept and sent later, and anything
else is lost with a warning; the run then raises :class:`openr1.errors.StoreError` at its end, after its artifact is complete.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from openr1.errors import Pruned, StoreError
from openr1.interrupts import deferred
from openr1.options import flatten
from openr1.tracking import observer
from openr1.tracking.environment import environment, git_commit, hardware
from openr1.tracking.names import to_key
from openr1.tracking.options import TrackingConfig
from openr1.tracking.reading import CONFIG_FILE, TrackedRun, read_config, read_history, read_run, read_runs
from openr1.tracking.store import (
    check_store,
    client,
    ensure_experiment,
    ensure_study,
    first_line,
    locked_store,
    preload,
    run_exists,
    search_runs,
    store_errors,
)

if TYPE_CHECKING:
    from mlflow.entities import Metric

__all__ = [
    "Run",
    "TrackedRun",
    "check_store",
    "client",
    "environment",
    "find",
    "git_commit",
    "hardware",
    "log_study",
    "preload",
    "read_config",
    "read_history",
    "read_run",
    "read_runs",
    "track",
]

METRICS_PER_REQUEST = 900  # MLflow refuses more than 1000
PARAMS_PER_REQUEST = 100  # the most that MLflow accepts


def log_study(
    config: TrackingConfig, study: str, files: Iterable[Path], metrics: dict[str, float], tags: dict[str, Any]
) -> None:
    """Record the results of a whole study in its parent run. Files with the same names are replaced.

    :raises StoreError: if the store refuses them.
    """
    run = Run(config.uri, ensure_study(config, ensure_experiment(config), study))
    with store_errors(config.uri), locked_store(config.uri):  # workers of a search may end together
        run.tag(**tags)
        run.summarise(metrics, 0)
        for path in files:
            run.log_file(path)
        run.settle()


class Run:
    """One run that is being tracked. Metrics are sent in batches, since a request costs more than a training step.

    A store that refuses something does not end the run: there is one warning, and :meth:`settle` raises the error.
    """

    def __init__(self, uri: str, run_id: str, flush_seconds: float = 5.0) -> None:
        self.uri = uri
        self.client = client(uri)
        self.run_id = run_id
        self.flush_seconds = flush_seconds
        self.flushed_at = time.monotonic()
        self.waiting: list[Metric] = []  # metrics that are not sent yet
        self.first_step = 0  # steps before it were sent by an earlier attempt
        self.lost: StoreError | None = None  # why something could not be tracked
        self.quiet = False  # print no more warnings

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Log a point of the run's curves. Steps that an earlier attempt already sent are not sent again."""
        if step >= self.first_step:
            self.summarise(metrics, step)

    def summarise(self, metrics: dict[str, float], step: int) -> None:
        """Log metrics of the whole run."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.waiting += [Metric(to_key(key), float(value), now, step) for key, value in metrics.items()]
        if time.monotonic() - self.flushed_at > self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Send the metrics that wait. Those that the store refuses keep waiting."""
        self.flushed_at = time.monotonic()
        try:
            self._flush()
        except StoreError as error:
            self._warn(error)

    def settle(self) -> None:
        """Send the metrics that wait.

        :raises StoreError: if something could not be tracked.
        """
        self._flush()
        if self.lost:
            raise self.lost

    def _flush(self) -> None:
        while self.waiting:
            with store_errors(self.uri):
                self.client.log_batch(self.run_id, metrics=self.waiting[:METRICS_PER_REQUEST])
            del self.waiting[:METRICS_PER_REQUEST]

    def _send(self, call: Callable, *arguments: Any, **named: Any) -> None:
        try:
            with store_errors(self.uri):
                call(self.run_id, *arguments, **named)
        except StoreError as error:
            self.lost = self.lost or error
            self._warn(error)

    def _warn(self, error: StoreError) -> None:
        if not self.quiet:
            print(f"warning: {error}; the run continues", file=sys.stderr, flush=True)
        self.quiet = True

    def log_params(self, values: dict[str, Any]) -> None:
        """Log nested values as params with dotted names."""
        from mlflow.entities import Param

        flat = [Param(to_key(key), str(value)) for key, value in flatten(values).items()]
        for start in range(0, len(flat), PARAMS_PER_REQUEST):
            self._send(self.client.log_batch, params=flat[start : start + PARAMS_PER_REQUEST])

    def log_dataset(self, name: str, digest: str, profile: dict[str, Any], context: str) -> None:
        """Log a data set as an input of the run."""
        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.exceptions import MlflowException

        dataset = Dataset(name, digest, "openr1", json.dumps({"name": name}), profile=json.dumps(profile))
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
        try:
            self.client.log_inputs(self.run_id, inputs)
        except MlflowException:
            # two runs that begin together both miss the data set and add it; the second one finds it when it tries again
            self._send(self.client.log_inputs, inputs)

    def log_file(self, path: Path) -> None:
        """Log a file of the artifact that a person wants to see beside the run."""
        self._send(self.client.log_artifact, str(path))

    def log_text(self, text: str, name: str) -> None:
        """Log a text as a file of the run."""
        self._send(self.client.log_text, text, name)

    def log_table(self, rows: list[dict[str, Any]], name: str, step: int) -> None:
        """Log rows as a table in the MLflow UI, unless an earlier attempt already sent those of this step."""
        if rows and step >= self.first_step:
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            self._send(self.client.log_table, columns, name)

    def tag(self, **tags: Any) -> None:
        """Set tags of the run."""
        from mlflow.entities import RunTag

        self._send(self.client.log_batch, tags=[RunTag(to_key(key), str(value)) for key, value in tags.items()])

    def end(self, status: str) -> None:
        """Send the metrics that wait, as far as the store accepts them, and set the status."""
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
    """Track a child run of a study: FINISHED at the end of the block, FAILED with the reason if the block raises.

    MLflow has no status for a pruned run: it is KILLED and tagged ``state=PRUNED``.

    :param params: logged flat, with dotted names.
    :param resolved: the config that reproduces the run; kept as a file of the run.
    :param resume: id of the tracked run of an earlier attempt, which is continued if it exists.
    :param parent: id of the parent run, in place of the study's.
    :raises StoreError: if the store refuses the beginning of the run, or a part of its results.
    """
    experiment = ensure_experiment(config)
    resumed = resume if resume is not None and run_exists(config.uri, resume) else None
    if resumed is None:
        parent = parent or ensure_study(config, experiment, study)
        tags = {"mlflow.parentRunId": parent, "study": study, **tags, **observer.tags()}
        tags |= {"hardware": hardware(), "git_commit": git_commit()}
    run: Run | None = None
    try:
        with deferred():  # a run that is created here is also ended here
            run = Run(config.uri, resumed or _create_run(config.uri, experiment, name, tags))
        observer.note(run_id=run.run_id)
        run.quiet = True  # an error at the beginning ends the run, with its own message
        if resumed is not None:
            _reopen(run)
        else:
            run.log_params(params)
            run.log_text(yaml.safe_dump(resolved, sort_keys=False), CONFIG_FILE)
            run.log_text(json.dumps(environment(), indent=1), "environment.json")
        run.settle()
        run.quiet = False
        yield run
        _finish(run)
    except Pruned as error:
        assert run is not None  # nothing else is pruned
        run.tag(state="PRUNED", pruned=error)
        run.end("KILLED")
        raise
    except BaseException as error:
        if run is None:
            raise
        run.quiet = True  # the error itself is about to be shown
        run.tag(failure=f"{type(error).__name__}: {first_line(error)}"[:5000])
        run.log_text(traceback.format_exc(), "failure.txt")
        run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


def _create_run(uri: str, experiment: str, name: str, tags: dict[str, Any]) -> str:
    with store_errors(uri):
        keyed = {to_key(key): str(value) for key, value in tags.items()}
        return client(uri).create_run(experiment, run_name=name, tags=keyed).info.run_id


def _finish(run: Run) -> None:
    try:
        run.settle()
        with store_errors(run.uri):
            run.client.set_terminated(run.run_id, "FINISHED")
    except StoreError as error:
        raise StoreError(f"{error}; the artifact of the run is kept, and the same command tracks it again") from error


def _reopen(run: Run) -> None:
    """Set a run that was killed to RUNNING again, and find the first step that it has not sent."""
    with store_errors(run.uri):
        run.client.update_run(run.run_id, status="RUNNING")
        for tag in {"failure", "state"} & set(run.client.get_run(run.run_id).data.tags):
            run.client.delete_tag(run.run_id, tag)
        history = run.client.get_metric_history(run.run_id, "flops")
    run.first_step = 1 + max((point.step for point in history), default=-1)
    if observer.tags():
        run.tag(**observer.tags())


def find(config: TrackingConfig, study: str, fingerprint: str, finished: bool = True) -> str | None:
    """Return the id of a run of the study with this fingerprint, if there is one.

    :param finished: leave out runs that failed, were killed, or are still running.
    """
    conditions = ["attributes.status = 'FINISHED'"] if finished else []
    tags = {"study": study, "fingerprint": fingerprint}
    run = next(search_runs(config.uri, [ensure_experiment(config)], tags, *conditions), None)
    return run.info.run_id if run else None
