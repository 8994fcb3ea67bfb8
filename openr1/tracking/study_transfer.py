"""Tracked runs of a study as plain data, to be tracked again in another store: names, times, tags, params, curves, config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.tracking import lineage
from openr1.tracking.mlflow import ENVIRONMENT, PARAMS_PER_REQUEST
from openr1.tracking.options import TrackingConfig
from openr1.tracking.outbox import METRICS_PER_REQUEST
from openr1.tracking.reading import CONFIG_FILE, read_file, search_all
from openr1.tracking.store import client, ensure_experiment, ensure_study, store_errors
from openr1.tracking.study_run import describe_study

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

ORIGIN = "imported_from"  # tag: the id that the run had in the store that it comes from
PARENT, STEP = "mlflow.parentRunId", "step."
FILES = (CONFIG_FILE, ENVIRONMENT)
# tags that say something of the old store only
LEFT_OUT = (
    *("mlflow.user", "mlflow.runName", "mlflow.source.name", "mlflow.source.type", "mlflow.loggedArtifacts"),
    *("reproduced_by", ORIGIN),
)


def read_study(uri: str, study: str) -> Iterator[dict[str, Any]]:
    """Yield the runs of a study as JSON has them, a run before its children; not the study's own, nor those under way.

    :raises ConfigError: if the store does not exist.
    """
    for run in search_all(uri, {"study": study}):
        if run.data.tags.get("role") == "study" or run.info.status == "RUNNING":
            continue
        with store_errors(uri):
            points = {key: client(uri).get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        yield {
            "run_id": run.info.run_id,
            "name": run.info.run_name,
            "status": run.info.status,
            "start_time": run.info.start_time,
            "end_time": run.info.end_time,
            "tags": {key: value for key, value in run.data.tags.items() if key not in LEFT_OUT},
            "params": dict(run.data.params),
            "metrics": {key: [[one.value, one.timestamp, one.step] for one in curve] for key, curve in points.items()},
            "files": {name: text for name in FILES if (text := read_file(uri, run.info.run_id, name)) is not None},
        }


def track_study(config: TrackingConfig, study: str, runs: Sequence[dict[str, Any]], artifacts: Path) -> dict[str, str]:
    """Track runs that :func:`read_study` read from another store. A call that was killed is repeated: what is there stays.

    :param study: the name that the study gets.
    :param artifacts: folder of the artifacts here.
    :returns: the ids that the runs had -> those that they have.
    :raises StoreError: if the store refuses them.
    """
    experiment = ensure_experiment(config)
    own = ensure_study(config, experiment, study)
    ids: dict[str, str] = {}
    for run in list(search_all(config.uri, {"study": study})):
        if ORIGIN in run.data.tags:
            _keep_or_delete(config.uri, run, ids)
    for given in runs:
        if given["run_id"] not in ids:
            parent = ids.get(given["tags"].get(PARENT, ""), own)
            ids[given["run_id"]] = _track(config.uri, experiment, study, parent, given, artifacts)
    for given in runs:
        steps = {key: ids[value] for key, value in given["tags"].items() if key.startswith(STEP) and value in ids}
        with store_errors(config.uri):
            for key, value in steps.items():
                client(config.uri).set_tag(ids[given["run_id"]], key, value)
            if config.lineage:  # a run comes after those that it starts from
                _log_lineage(client(config.uri), ids[given["run_id"]], given["tags"])
    describe_study(config.uri, study)
    return ids


def _log_lineage(store: MlflowClient, run_id: str, tags: dict[str, str]) -> None:
    if lineage.CONTENT in tags:
        lineage.log_output(store, run_id)
    if names := lineage.input_names(tags):
        lineage.log_inputs(store, run_id, names)


def _keep_or_delete(uri: str, run: MlflowRun, ids: dict[str, str]) -> None:
    """Note the id of a run that is whole, and delete one that is not: its status is set last."""
    if run.info.status == "RUNNING":
        with store_errors(uri):
            client(uri).delete_run(run.info.run_id)
    else:
        ids[run.data.tags[ORIGIN]] = run.info.run_id


def _track(uri: str, experiment: str, study: str, parent: str, given: dict[str, Any], artifacts: Path) -> str:
    from mlflow.entities import Metric, Param, RunTag

    tags = {**given["tags"], "study": study, PARENT: parent, ORIGIN: given["run_id"]}
    if "artifact" in tags:
        tags["artifact"] = str(artifacts.absolute() / Path(tags["artifact"]).name)
    metrics = [Metric(key, *point) for key, curve in given["metrics"].items() for point in curve]
    params = [Param(key, value) for key, value in given["params"].items()]
    with store_errors(uri):
        store = client(uri)
        first = {ORIGIN: tags.pop(ORIGIN), "study": study, PARENT: parent}
        run_id = store.create_run(experiment, given["start_time"], first, run_name=given["name"]).info.run_id
        others = [RunTag(key, value) for key, value in tags.items()]
        for start in range(0, max(len(params), len(others)), PARAMS_PER_REQUEST):
            end = start + PARAMS_PER_REQUEST
            store.log_batch(run_id, params=params[start:end])
            store.log_batch(run_id, tags=others[start:end])
        for start in range(0, len(metrics), METRICS_PER_REQUEST):
            store.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_REQUEST])
        for name, text in given["files"].items():
            store.log_text(run_id, text, name)
        store.set_terminated(run_id, given["status"], given["end_time"])
    return run_id
