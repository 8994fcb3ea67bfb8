"""A study's own run in MLflow, the parent of its runs: their number by state, the best, what all share, and the report.

What all runs share is in tags rather than in params, since MLflow never changes a param: a study that grows by another size
would keep the old one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.tracking.directions import best_of
from openr1.tracking.names import CURVES, TAG_LENGTH, to_key
from openr1.tracking.outbox import METRICS_PER_REQUEST
from openr1.tracking.reading import ARCHIVED, search_all
from openr1.tracking.store import client, locked_store, store_errors
from openr1.tracking.studies import NOT_VARIED, write_view
from openr1.tracking.views import run_address

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

NOTE = "mlflow.note.content"  # the description that the page of a run shows, as Markdown
LAWS = "mlflow.openr1.laws"  # tag of what the description says of laws, hidden by its prefix
SHARED = "shared."  # prefix of the tags of what all runs have in common
BEST = {name: best for name in CURVES if (best := best_of(name))}  # result -> min or max
AMOUNTS = ("params_non_embedding", "tokens", "flops")  # N, D and C
UNSET = ("None", "{}", "[]")
MOST_SHARED = 50  # tags of what all runs share, below the 100 of a request; runs of version 0.2 have all of the config
RANKED = 20  # runs in the table of the description
REPORT = "report"  # folder of the report among the files of the run


@dataclass(frozen=True)
class Law:
    """A fitted law, as the description of a study shows it.

    :ivar values: text of its parameters, with intervals.
    :ivar error: its held-out error, as text.
    """

    name: str
    values: str
    error: str


def describe_study(uri: str, study: str, view: bool = True) -> str | None:
    """Write what the runs of a study came to into its own run, and the view of its runs into the experiment.

    :param view: False if the view is written already.
    :returns: the id of the study's run; None if the store has no such study.
    :raises StoreError: if the store refuses it.
    """
    found = _runs_of(uri, study)
    if found is None:
        return None
    parent, runs = found
    trials = [run for run in runs if run.data.tags.get("role") == "trial"]
    with locked_store(uri):  # workers of a search may end together
        if view and parent.data.tags.get(ARCHIVED) != "true":
            write_view(uri, study, runs)
        runs = trials or runs
        _log_best(uri, parent, runs)
        _log_states(uri, parent, runs)
        _tag(uri, parent, _shared(runs) | {NOTE: _description(parent, runs, _laws_of(parent))})
        with store_errors(uri):
            ends = [run.info.end_time or run.info.start_time for run in runs]
            client(uri).set_terminated(parent.info.run_id, end_time=max(ends))  # it began before its first run
    return parent.info.run_id


def log_report(uri: str, study: str, files: Iterable[Path], metrics: Mapping[str, float], laws: Sequence[Law]) -> str | None:
    """Add a report to the study's run: its page and figures as files, fitted values as metrics, and laws in the description.

    :returns: the id of the study's run; None if the store has no such study.
    :raises StoreError: if the store refuses it.
    """
    found = _runs_of(uri, study)
    if found is None:
        return None
    parent, _ = found
    run_id, store = parent.info.run_id, client(uri)
    with store_errors(uri), locked_store(uri):
        for path in files:
            store.log_artifact(run_id, str(path), f"{REPORT}/figures" if path.suffix in (".png", ".svg", ".pdf") else REPORT)
    _log_metrics(uri, parent, metrics)
    _tag(uri, parent, {LAWS: "\n".join("\t".join((law.name, law.values, law.error)) for law in laws)})
    return describe_study(uri, study)


def _runs_of(uri: str, study: str) -> tuple[MlflowRun, list[MlflowRun]] | None:
    """Return the run of a study, and its runs: of recipes and of stages."""
    found = list(search_all(uri, {"study": study}))
    parent = next((run for run in found if run.data.tags.get("role") == "study"), None)
    runs = [run for run in found if run.data.tags.get("role") != "study"]
    return (parent, runs) if parent and runs else None


def _log_best(uri: str, parent: MlflowRun, runs: Sequence[MlflowRun]) -> None:
    """Log the best value after each finished run, at the number of runs that had finished by then."""
    from mlflow.entities import Metric

    finished = sorted((run for run in runs if run.info.status == "FINISHED"), key=lambda run: run.info.end_time)
    for name, choose in BEST.items():
        key, best, points = f"best_{name}", None, []
        for number, run in enumerate(finished, start=1):
            if (value := run.data.metrics.get(name)) is not None:
                best = value if best is None else choose((best, value))
            if best is not None:
                points.append(Metric(key, best, run.info.end_time, number))
        with store_errors(uri):
            known = {point.step for point in client(uri).get_metric_history(parent.info.run_id, key)} if points else set()
            new = [point for point in points if point.step not in known]
            for start in range(0, len(new), METRICS_PER_REQUEST):
                client(uri).log_batch(parent.info.run_id, metrics=new[start : start + METRICS_PER_REQUEST])


def _log_states(uri: str, parent: MlflowRun, runs: Sequence[MlflowRun]) -> None:
    states = Counter({"finished": 0, "failed": 0, "killed": 0, "pruned": 0, "running": 0})
    states.update(_state(run) for run in runs)
    values = {f"runs_{state}": float(count) for state, count in states.items()}
    values = {key: value for key, value in values.items() if value or key in parent.data.metrics or key == "runs_finished"}
    values["flops_total"] = sum(run.data.metrics.get("flops_new", run.data.metrics.get("flops", 0.0)) for run in runs)
    _log_metrics(uri, parent, values)


def _log_metrics(uri: str, parent: MlflowRun, values: Mapping[str, float]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [Metric(to_key(key), value, now, 0) for key, value in values.items()]
    with store_errors(uri):
        for start in range(0, len(metrics), METRICS_PER_REQUEST):
            client(uri).log_batch(parent.info.run_id, metrics=metrics[start : start + METRICS_PER_REQUEST])


def _state(run: MlflowRun) -> str:
    return "pruned" if run.data.tags.get("state") == "PRUNED" else run.info.status.lower()


def _shared(runs: Sequence[MlflowRun]) -> dict[str, str]:
    """Return the tags of what all runs have in common."""
    first, *others = (run.data.params for run in runs)
    shared = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    telling = {key: value for key, value in shared.items() if value not in UNSET and not key.startswith(NOT_VARIED)}
    return {to_key(f"{SHARED}{key}"): value for key, value in islice(telling.items(), MOST_SHARED)}


def _tag(uri: str, parent: MlflowRun, tags: Mapping[str, str]) -> None:
    """Set tags of the study's run; tags of what is not shared any more are deleted."""
    from mlflow.entities import RunTag

    with store_errors(uri):
        if NOTE in tags:
            for key in parent.data.tags:
                if key.startswith(SHARED) and key not in tags:
                    client(uri).delete_tag(parent.info.run_id, key)
        new = [RunTag(key, value[:TAG_LENGTH]) for key, value in tags.items() if value and parent.data.tags.get(key) != value]
        client(uri).log_batch(parent.info.run_id, tags=new)


def _laws_of(parent: MlflowRun) -> list[Law]:
    lines = parent.data.tags.get(LAWS, "").splitlines()
    return [Law(*cells) for line in lines if len(cells := line.split("\t")) == 3]


def _description(parent: MlflowRun, runs: Sequence[MlflowRun], laws: Sequence[Law]) -> str:
    """Return the description of a study in Markdown, as many rows of its table as a tag can hold."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(Counter(map(_state, runs)).items()))
    experiment = parent.info.experiment_id
    lines = [f"Study **{parent.data.tags['study']}**: {len(runs)} run{'s' * (len(runs) != 1)} ({states}).", ""]
    if laws:
        report = run_address("", experiment, parent.info.run_id, f"{REPORT}/report.html")
        lines += [f"[Report]({report})", "", "| law | parameters | held-out error |", "|---|---|---|"]
        lines += [f"| [{law.name}]({report}) | {law.values} | {law.error} |" for law in laws] + [""]
    measured = next((name for name in BEST if any(name in run.data.metrics for run in runs)), None)
    if measured is None:
        return "\n".join(lines)
    ranked = sorted((run for run in runs if measured in run.data.metrics), key=lambda run: run.data.metrics[measured])
    ranked = (ranked if BEST[measured] is min else ranked[::-1])[:RANKED]
    lines += [f"| run | N | D | C | {measured} |", "|---|---|---|---|---|"]
    room = TAG_LENGTH - 1 - sum(len(line) + 1 for line in lines)
    for run in ranked:
        metrics = run.data.metrics
        cells = [f"{metrics[key]:.4g}" if key in metrics else "" for key in (*AMOUNTS, measured)]
        row = f"| [{_plain(run.info.run_name)}]({run_address('', experiment, run.info.run_id)}) | {' | '.join(cells)} |"
        room -= len(row) + 1
        if room < 0:
            break
        lines.append(row)
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return a name without the characters that end a cell or a link in Markdown."""
    return text.replace("|", "/").replace("[", "(").replace("]", ")")
