"""Changes of whole studies in the store: another name, out of sight or back, or deleted.

Each can be repeated after a kill: it changes the runs that are not changed yet, and the study's own run last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openr1.tracking.lineage import models_of
from openr1.tracking.options import TrackingConfig
from openr1.tracking.reading import ARCHIVED, search_all
from openr1.tracking.store import client, ensure_experiment, ensure_study, locked_store, store_errors
from openr1.tracking.study_run import describe_study
from openr1.tracking.views import PREFIX, view_id

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

REPRODUCES = "reproduces"  # tag of a reproduction, which may name a study


def archive_study(config: TrackingConfig, study: str, archived: bool) -> None:
    """Archive a study, or take it out of the archive. An archived study has no view in the UI.

    :raises StoreError: if the store refuses it.
    """
    parent = next((run.info.run_id for run in search_all(config.uri, {"study": study, "role": "study"})), None)
    parent = parent or ensure_study(config, ensure_experiment(config), study)
    with store_errors(config.uri), locked_store(config.uri):
        if archived:
            client(config.uri).set_tag(parent, ARCHIVED, "true")
        elif ARCHIVED in client(config.uri).get_run(parent).data.tags:
            client(config.uri).delete_tag(parent, ARCHIVED)
    if archived:
        _delete_view(config.uri, study)
    else:
        describe_study(config.uri, study)


def rename_study(uri: str, study: str, name: str) -> None:
    """Give the runs of a study, its own run and its view another name.

    The params of the runs, which MLflow never changes, and their files keep the name under which they were made.

    :raises StoreError: if the store refuses it.
    """
    runs = _own_run_last(uri, study)
    reproductions = list(search_all(uri, {"role": "study", REPRODUCES: study}))
    with store_errors(uri), locked_store(uri):
        for run in reproductions:
            client(uri).set_tag(run.info.run_id, REPRODUCES, name)
        for run in runs:
            if run.data.tags.get("role") == "study":
                client(uri).update_run(run.info.run_id, name=name)
            client(uri).set_tag(run.info.run_id, "study", name)
        for model in list(models_of(client(uri), study)):
            client(uri).set_logged_model_tags(model.model_id, {"study": name})
    _delete_view(uri, study)
    describe_study(uri, name)


def delete_study(uri: str, study: str) -> None:
    """Delete the runs of a study, their models, its own run and its view.

    MLflow keeps what is deleted until ``mlflow gc`` removes it.

    :raises StoreError: if the store refuses it.
    """
    runs = _own_run_last(uri, study)
    _delete_view(uri, study)
    with store_errors(uri), locked_store(uri):
        for model in list(models_of(client(uri), study)):
            client(uri).delete_logged_model(model.model_id)
        for run in runs:
            client(uri).delete_run(run.info.run_id)


def _own_run_last(uri: str, study: str) -> list[MlflowRun]:
    return sorted(search_all(uri, {"study": study}), key=lambda run: run.data.tags.get("role") == "study")


def _delete_view(uri: str, study: str) -> None:
    """Delete the view of a study from the experiments that have it."""
    key = PREFIX + view_id(study)
    with store_errors(uri):
        for experiment in client(uri).search_experiments():
            if key in experiment.tags:
                client(uri).delete_experiment_tag(experiment.experiment_id, key)
