"""Lineage of models in MLflow: a stage that leaves a model logs it as its output, and one that starts from it as its input.

A logged model is a link: its tag ``artifact`` names the folder, and no weights are copied. It is called as the artifact is,
``STAGE-FINGERPRINT``. Each run has its own, so that a study that is deleted takes its models along. All of it is derived from
the tags of the run, can be repeated, and is left out by a store that keeps no logged models, as a server of MLflow 2.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openr1.system.artifacts import NAME
from openr1.tracking.names import query_condition
from openr1.tracking.patience import is_away

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

OPTION = "tracking.lineage"
CONTENT = "model_sha256"  # tag of a run that has left a model
PARAMS, NUMBERS = ("scale", "stage", "family"), ("params_non_embedding",)  # of a model, from the tags and metrics of its run
RESULTS = ("eval_loss", "pass_at_1", "eval_accuracy", "tokens", "flops")  # of its run, which MLflow's list of models shows
TAGS = ("artifact", "study", CONTENT)


def _unless_refused(send: Callable[..., None]) -> Callable[..., None]:
    """Return a sender that leaves out what the store refuses, since no run fails for its lineage, and says so once."""

    @functools.wraps(send)
    def sender(*values: Any) -> None:
        from mlflow.exceptions import MlflowException  # once the store has set how MLflow logs

        try:
            send(*values)
        except MlflowException as error:
            if is_away(error):
                raise
            _say_refused(next(iter(str(error).splitlines()), ""))

    return sender


@_unless_refused
def log_output(client: MlflowClient, run_id: str) -> None:
    """Log the model that a run has left as its output, unless an earlier attempt did."""
    from mlflow.entities import LoggedModelOutput, Metric

    run = client.get_run(run_id)
    tags, experiment = run.data.tags, run.info.experiment_id
    if run.outputs and run.outputs.model_outputs:
        return
    name = f"{tags['stage']}-{tags['fingerprint']}"
    model = next((one for one in _named(client, experiment, name) if one.source_run_id == run_id), None)
    if model is None:
        params = {key: tags[key] for key in PARAMS if key in tags}
        params |= {key: f"{run.data.metrics[key]:.0f}" for key in NUMBERS if key in run.data.metrics}
        kept = {key: tags[key] for key in TAGS if key in tags}
        model = client.create_logged_model(experiment, name, run_id, kept, params)
    client.finalize_logged_model(model.model_id, "READY")
    # with the times that the run has them at, so that they are no second points of its curves
    finals = [metric for metric in run.data._metric_objs if metric.key in RESULTS]
    results = [Metric(one.key, one.value, one.timestamp, one.step, model_id=model.model_id) for one in finals]
    if results:
        client.log_batch(run_id, metrics=results)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])


@_unless_refused
def log_inputs(client: MlflowClient, run_id: str, names: Sequence[str]) -> None:
    """Log models as inputs of a run: of each name the model of its study, or else the newest; those that are there."""
    from mlflow.entities import LoggedModelInput

    run = client.get_run(run_id)
    known = {one.model_id for one in run.inputs.model_inputs} if run.inputs else set()
    models = []
    for name in names:
        newest = _named(client, run.info.experiment_id, name)
        own = [model for model in newest if model.tags.get("study") == run.data.tags["study"]]
        models += [model.model_id for model in (own or newest)[:1] if model.model_id not in known]
    if models:
        client.log_inputs(run_id, models=list(map(LoggedModelInput, models)))


def input_names(tags: Mapping[str, str]) -> list[str]:
    """Return the names of the artifacts that a run took, by its tags."""
    return [value for key, value in sorted(tags.items()) if key.startswith("input.") and NAME.fullmatch(value)]


@functools.cache
def _say_refused(reason: str) -> None:
    line = f"warning: {OPTION}: the store takes no models of runs ({reason[:200]}); {OPTION}=false leaves them out"
    print(line, file=sys.stderr, flush=True)


def models_of(client: MlflowClient, study: str) -> Iterator[LoggedModel]:
    """Yield the models of a study, in all experiments; none of a store that keeps none."""
    from mlflow.exceptions import MlflowException

    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    token = None
    while experiments:
        try:
            page = client.search_logged_models(experiments, query_condition("tags.study", study), page_token=token)
        except MlflowException as error:
            if is_away(error):
                raise
            return
        yield from (model for model in page if model.tags.get("study") == study)
        token = page.token
        if not token:
            return


def _named(client: MlflowClient, experiment: str, name: str) -> list[LoggedModel]:
    newest = [{"field_name": "creation_timestamp", "ascending": False}]
    return list(client.search_logged_models([experiment], f"name = '{name}'", order_by=newest))
