"""Runs written to MLflow: a study is a parent run, and each stage a child of it, or of the trial of a recipe.

Callers import this module; it also exports what :mod:`openr1.tracking.store`, :mod:`openr1.tracking.reading` and
:mod:`openr1.tracking.environment` offer them.

The analysis relies on the names of metrics and tags, which :mod:`openr1.tracking.catalogue` lists with their meanings.
Curves of ``train_loss`` and ``eval_loss`` have ``tokens`` and ``flops`` at the same steps.
:func:`openr1.tracking.names.to_key` turns a name into a key that MLflow accepts;
reading turns it back.

If the store does not answer, the user sees one line. Before a run the store is refused
(:class:`~openr1.system.errors.ConfigError`). A run that cannot begin in it is FAILED. While a run trains, what cannot be sent
waits in memory and is sent later. What still waits at the end is kept in a file (:mod:`openr1.tracking.outbox`), and
:class:`~openr1.system.errors.StoreError` is raised after the artifact is complete.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from openr1.options import flatten
from openr1.system.errors import Pruned, RunError, StoreError
from openr1.system.interrupts import deferred
from openr1.tracking import observer, outbox
from openr1.tracking.dead_runs import end_dead_runs, process_tags
from openr1.tracking.environment import environment, git_commit, hardware
from openr1.tracking.names import by_amounts, short, to_key, to_tags
from openr1.tracking.options import TrackingConfig
from openr1.tracking.outbox import UNSENT, Outbox
from openr1.tracking.params import split_facts, split_params
from openr1.tracking.patience import without_waiting
from openr1.tracking.reading import CONFIG_FILE, TrackedRun, read_config, read_history, read_run, read_runs
from openr1.tracking.resources import system_metrics
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

__all__ = [
    "UNFINISHED",
    "Run",
    "TrackedRun",
    "check_store",
    "client",
    "end_dead_runs",
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
    "send_kept",
    "track",
]

PARAMS_PER_REQUEST = 100  # the most that MLflow accepts, of tags too
# characters of what MLflow refuses, or cuts itself only if its settings say so; the config and the artifact have the whole
PARAM_LENGTH, DATASET_LENGTH, RUN_NAME_LENGTH = 6000, 500, 250
UNFINISHED = ("RUNNING", "KILLED", "FAILED")
ENVIRONMENT = "environment.json"  # among the files of a tracked run, the last that it begins with
LONGEST_PAUSE = 60.0  # seconds between two tries of a run while the store is away


def log_study(
    config: TrackingConfig, study: str, files: Iterable[Path], metrics: dict[str, float], tags: dict[str, Any]
) -> None:
    """Record the results of a whole study in its parent run. Files with the same names are replaced.

    :raises StoreError: if the store refuses them.
    """
    run = Run(config.uri, ensure_study(config, ensure_experiment(config), study))
    with store_errors(config.uri), locked_store(config.uri):  # workers of a search may end together
        run.quiet = True  # the error itself is raised
        run.tag(**tags)
        run.summarise(metrics, 0)
        for path in files:
            run.log_file(path)
        run.settle()


class Run:
    """One run that is being tracked. Metrics are sent in batches, since a request costs more than a training step.

    A store that is away or refuses something does not end the run: there is one warning. What it has not got is sent later; of
    what it refuses, :meth:`settle` raises the error.

    :param keep: folder of the artifacts, beside which is kept what the store has not got at the end.
    """

    def __init__(self, uri: str, run_id: str, flush_seconds: float = 5.0, keep: Path | None = None) -> None:
        self.uri = uri
        self.client = client(uri)
        self.run_id = run_id
        self.flush_seconds = flush_seconds
        self.flushed_at = time.monotonic()
        self.pause = 0.0  # seconds until the next try, while the store is away
        self.outbox = Outbox(self.client, run_id)
        self.kept_at = keep / UNSENT / f"{run_id}.json" if keep else None
        self.first_step = 0  # steps before it were sent by an earlier attempt
        self.lost: StoreError | None = None  # why something could not be tracked
        self.quiet = False  # print no more warnings

    def log(self, metrics: dict[str, float], step: int) -> None:
        """Log a point of the run's curves. Steps that an earlier attempt already sent are not sent again."""
        if step >= self.first_step:
            self.summarise(metrics, step)
            for key, value, position in by_amounts(metrics):
                self.summarise({key: value}, position)

    def summarise(self, metrics: dict[str, float], step: int) -> None:
        """Log metrics of the whole run."""
        now = int(time.time() * 1000)
        self.outbox.add("metrics", [[to_key(key), float(value), now, step] for key, value in metrics.items()])
        if time.monotonic() - self.flushed_at > self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Send what waits, unless the store was away a moment ago. What the store does not take now keeps waiting."""
        if time.monotonic() - self.flushed_at < self.pause:
            return
        try:
            with without_waiting():
                self._send()
            self.pause = 0.0
        except StoreError as error:
            self.pause = min(max(2 * self.pause, self.flush_seconds), LONGEST_PAUSE)
            self._warn(error)
        self.flushed_at = time.monotonic()

    def settle(self) -> None:
        """Send what waits, and wait for the store if it is away.

        :raises StoreError: if something could not be tracked.
        """
        self._send()
        if self.lost:
            raise self.lost

    def keep(self) -> bool:
        """Keep what waits in a file, which the next command that tracks to the store sends; return False if that fails."""
        if self.kept_at is None or not self.outbox.items:
            return False
        try:
            self.outbox.keep(self.kept_at, self.uri)
        except (RunError, OSError):
            return False
        return True

    def take(self, folder: Path) -> None:
        """Take over what another process of the same run has kept beside this folder, if anything."""
        path = folder / UNSENT / f"{self.run_id}.json"
        if path.exists():
            self.outbox.take(path)

    def _send(self) -> None:
        outbox.send_all(self.outbox, self.uri, self._refused)

    def _refused(self, error: StoreError) -> None:
        self.lost = self.lost or error
        self._warn(error)

    def _add(self, kind: str, value: Any) -> None:
        self.outbox.add(kind, value)
        self.flush()

    def _warn(self, error: StoreError) -> None:
        if not self.quiet:
            print(f"warning: {error}; the run continues", file=sys.stderr, flush=True)
        self.quiet = True

    def log_results(self, metrics: dict[str, float], step: int) -> None:
        """Log what the whole run came to: its results as metrics, and the facts among them as params."""
        results, facts = split_facts(metrics)
        self.summarise(results, step)
        self.log_params(facts)

    def log_params(self, values: dict[str, Any], shown: Collection[str] | None = None) -> None:
        """Log nested values as params with dotted names. The store shows the beginning of a long one.

        :param shown: names of those that the UI shows; None for all.
        """
        visible, hidden = split_params(flatten(values), shown)
        flat = [(to_key(key), str(value)[:PARAM_LENGTH]) for key, value in visible.items()]
        for start in range(0, len(flat), PARAMS_PER_REQUEST):
            self._add("params", dict(flat[start : start + PARAMS_PER_REQUEST]))
        self.tag(**hidden)

    def log_dataset(self, name: str, digest: str, profile: dict[str, Any], context: str) -> None:
        """Log a data set as an input of the run."""
        source = json.dumps({"name": name})
        value = {"name": short(name, DATASET_LENGTH), "digest": digest, "source": source, "profile": json.dumps(profile)}
        self._add("dataset", value | {"context": context})

    def log_model(self) -> None:
        """Log the model that the run has left as its output, by the run's tags (:mod:`openr1.tracking.lineage`)."""
        self._add("model", None)

    def log_model_inputs(self, names: Iterable[str]) -> None:
        """Log the models of these artifacts as inputs of the run."""
        if given := list(names):
            self._add("model_inputs", given)

    def log_file(self, path: Path) -> None:
        """Log a file of the artifact that a person wants to see beside the run."""
        self._add("file", str(path.absolute()))

    def log_text(self, text: str, name: str) -> None:
        """Log a text as a file of the run."""
        self._add("text", [text, name])

    def log_table(self, rows: list[dict[str, Any]], name: str, step: int) -> None:
        """Log rows as a table in the MLflow UI, unless an earlier attempt already sent those of this step."""
        if rows and step >= self.first_step:
            self._add("table", [{key: [row[key] for row in rows] for key in rows[0]}, name])

    def tag(self, **tags: Any) -> None:
        """Set tags of the run."""
        written = list(to_tags(tags).items())
        for start in range(0, len(written), PARAMS_PER_REQUEST):
            self._add("tags", dict(written[start : start + PARAMS_PER_REQUEST]))

    def end(self, status: str, state: str = "") -> None:
        """Send what waits, as far as the store accepts it, and set the status; the rest is kept.

        :param state: the tag ``status``, which the table of runs can show, where it says more than MLflow's status.
        """
        self.pause = 0.0
        self.outbox.add("tags", {"status": state or status.lower()})
        self._add("status", status)
        self.keep()


def send_kept(config: TrackingConfig, folder: Path) -> None:
    """Send what earlier runs have kept for the store because it was away at their end.

    :param folder: folder of the artifacts.
    :raises StoreError: if the store is away again.
    """

    def warn(error: StoreError) -> None:
        print(f"warning: {error}; a part of what was kept for it is lost", file=sys.stderr, flush=True)

    outbox.send_kept(config.uri, folder, client, lambda items: outbox.send_all(items, config.uri, warn))


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
    keep: Path | None = None,
    shown: Collection[str] | None = None,
) -> Iterator[Run]:
    """Track a child run of a study: FINISHED at the end of the block, FAILED with the reason if the block raises.

    MLflow has no status for a pruned run: it is KILLED and tagged ``state=PRUNED``.

    :param params: logged flat, with dotted names.
    :param shown: names of the params that the UI shows; None for all.
    :param resolved: the config that reproduces the run; kept as a file of the run.
    :param resume: id of the tracked run of an earlier attempt, which is continued if it exists and is of the study.
    :param parent: id of the parent run, in place of the study's.
    :param keep: folder of the artifacts, beside which is kept what the store has not got at the end.
    :raises StoreError: if the store refuses the beginning of the run, or a part of its results.
    """
    experiment = ensure_experiment(config)
    resumed = resume if resume is not None and run_exists(config.uri, resume, study) else None
    if resumed is None:
        parent = parent or ensure_study(config, experiment, study)
        tags = {"mlflow.parentRunId": parent, "study": study, **tags, **observer.tags()}
        tags |= {"hardware": hardware(), "git_commit": git_commit(), "status": "running", **process_tags()}
    run: Run | None = None
    try:
        with deferred():  # a run that is created here is also ended here
            run = Run(config.uri, resumed or _create_run(config.uri, experiment, name, tags), keep=keep)
        observer.note(run_id=run.run_id)
        run.quiet = True  # an error at the beginning ends the run, with its own message
        if resumed is not None:
            _reopen(run)
        if resumed is None or not _has_begun(run):
            run.log_params(params, shown)
            run.log_text(yaml.safe_dump(resolved, sort_keys=False), CONFIG_FILE)
            run.log_text(json.dumps(environment(), indent=1), ENVIRONMENT)
        run.settle()
        run.quiet = False
        with system_metrics(config, run.run_id):
            yield run
    except Pruned as error:
        assert run is not None  # nothing else is pruned
        run.tag(state="PRUNED", pruned=error)
        run.end("KILLED", "pruned")
        raise
    except BaseException as error:
        if run is None:
            raise
        _fail(run, error)
        raise
    _finish(run)


def _fail(run: Run, error: BaseException) -> None:
    run.quiet = True  # the error itself is about to be shown
    run.tag(failure=f"{type(error).__name__}: {first_line(error)}")
    run.log_text("".join(traceback.format_exception(error)), "failure.txt")
    run.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")


def _create_run(uri: str, experiment: str, name: str, tags: dict[str, Any]) -> str:
    with store_errors(uri):
        created = client(uri).create_run(experiment, run_name=short(name, RUN_NAME_LENGTH), tags=to_tags(tags))
    return created.info.run_id


def _finish(run: Run) -> None:
    """Send what waits and set the status.

    :raises StoreError: if the store has not got everything; it says what becomes of it.
    """
    run.outbox.add("tags", {"status": "finished"})
    run.outbox.add("status", "FINISHED")
    try:
        run.settle()
    except StoreError as error:
        later = "the artifact of the run is kept, and the same command tracks it again"
        if run.lost:
            _fail(run, error)
        elif run.keep():
            later = f"the run is complete; the next command that tracks there sends what is kept in {run.kept_at}"
        raise StoreError(f"{error}; {later}") from error
    except BaseException as error:  # it is interrupted while it waits for the store
        _fail(run, error)
        raise


def _reopen(run: Run) -> None:
    """Set a run that was killed to RUNNING again, and find the first step that it has not sent."""
    with store_errors(run.uri), locked_store(run.uri):  # openr1.tracking.dead_runs looks at both at once
        for key, value in {"status": "running", **process_tags()}.items():
            run.client.set_tag(run.run_id, key, value)
        run.client.update_run(run.run_id, status="RUNNING")
    with store_errors(run.uri):
        for tag in {"failure", "state"} & set(run.client.get_run(run.run_id).data.tags):
            run.client.delete_tag(run.run_id, tag)
        history = run.client.get_metric_history(run.run_id, "flops")
    run.first_step = 1 + max((point.step for point in history), default=-1)
    if observer.tags():
        run.tag(**observer.tags())


def _has_begun(run: Run) -> bool:
    """Return True if an earlier attempt has logged all that a run begins with."""
    with store_errors(run.uri):
        return any(file.path == ENVIRONMENT for file in run.client.list_artifacts(run.run_id))


def find(
    config: TrackingConfig, study: str, fingerprint: str, statuses: Collection[str] = ("FINISHED",), **tags: object
) -> str | None:
    """Return the id of the first run of the study with this fingerprint, one of the statuses and the tags; None without one."""
    wanted = {"study": study, "fingerprint": fingerprint, **to_tags(tags)}
    runs = search_runs(config.uri, [ensure_experiment(config)], wanted)
    return next((run.info.run_id for run in runs if run.info.status in statuses), None)
