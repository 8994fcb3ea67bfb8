import subprocess
import sys
from contextlib import contextmanager

import pytest
from mlflow.exceptions import MlflowException

from openr1.system.errors import StoreError
from openr1.tracking import lineage, patience
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig
from openr1.tracking.study_changes import delete_study, rename_study
from openr1.tracking.study_transfer import read_study, track_study

PRETRAIN, SFT = "a" * 16, "b" * 16
BASE = f"pretrain-{PRETRAIN}"


@pytest.fixture
def config(tmp_path):
    lineage._say_refused.cache_clear()
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/mlartifacts")


@contextmanager
def stage(config, kind, fingerprint, study="s", inputs=(), keep=None, resume=None):
    """Track a run that leaves a model."""
    tags = {"stage": kind, "fingerprint": fingerprint, "scale": "30k", "artifact": f"/out/{kind}-{fingerprint}"}
    tags |= {f"input.{number}": name for number, name in enumerate(inputs)}
    with tracking.track(config, study, kind, tags, {}, {}, resume, keep=keep) as run:
        run.log_model_inputs(inputs)
        yield run
        run.summarise({"params_non_embedding": 25_000.0, "eval_loss": 2.5, "wall_seconds": 3.0}, 1)
        run.tag(model_sha256="c0ffee")
        run.log_model()


def of(config, run):
    stored = tracking.client(config.uri).get_run(run.run_id)
    outputs = [one.model_id for one in stored.outputs.model_outputs]
    return outputs, [one.model_id for one in stored.inputs.model_inputs]


def test_a_model_is_a_link_and_the_next_stage_has_it_as_its_input(config, tmp_path):
    with stage(config, "pretrain", PRETRAIN) as first:
        pass
    with stage(config, "sft", SFT, inputs=[BASE, "generate-" + "d" * 16]) as second:
        pass
    (made,), nothing = of(config, first)
    (tuned,), (start,) = of(config, second)
    assert (start, nothing) == (made, [])
    model = tracking.client(config.uri).get_logged_model(made)
    assert (model.name, model.source_run_id, str(model.status)) == (BASE, first.run_id, "READY")
    assert model.params == {"scale": "30k", "stage": "pretrain", "params_non_embedding": "25000"}
    assert model.tags == {"artifact": f"/out/{BASE}", "study": "s", "model_sha256": "c0ffee"}
    assert tracking.client(config.uri).get_logged_model(tuned).name == f"sft-{SFT}"
    assert {metric.key: (metric.value, metric.step) for metric in model.metrics} == {"eval_loss": (2.5, 1)}
    assert len(tracking.client(config.uri).get_metric_history(first.run_id, "eval_loss")) == 1  # the run keeps it once
    assert not (tmp_path / "mlartifacts" / "models").exists()


def test_the_model_of_the_own_study_is_the_input_and_that_of_another_where_there_is_none(config):
    with stage(config, "pretrain", PRETRAIN) as own, stage(config, "pretrain", PRETRAIN, study="other") as other:
        pass
    with stage(config, "sft", SFT, inputs=[BASE]) as second, stage(config, "sft", SFT, "third", [BASE]) as third:
        pass
    assert of(config, second)[1] == of(config, own)[0]
    assert of(config, third)[1][0] in of(config, own)[0] + of(config, other)[0]


def test_a_run_that_is_resumed_logs_nothing_twice(config):
    with stage(config, "pretrain", PRETRAIN):
        pass
    runs = []

    def begin(resume=None):
        with stage(config, "sft", SFT, inputs=[BASE], resume=resume) as run:
            runs.append(run)
            run.tag(model_sha256="c0ffee")
            run.log_model()
            if resume is None:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    begin(runs[0].run_id)
    outputs, inputs = of(config, runs[1])
    assert (runs[1].run_id, len(outputs), len(inputs)) == (runs[0].run_id, 1, 1)
    assert len(list(lineage.models_of(tracking.client(config.uri), "s"))) == 2


@pytest.mark.parametrize("method", ["create_logged_model", "finalize_logged_model", "log_outputs"])
def test_a_model_waits_for_a_store_that_is_away_and_is_there_once(config, tmp_path, monkeypatch, method):
    def fails(*_, **__):
        raise ConnectionError("no answer")

    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.0)
    store = tracking.client(config.uri)
    with pytest.raises(StoreError, match="sends what is kept in"), stage(config, "pretrain", PRETRAIN, keep=tmp_path) as run:
        monkeypatch.setattr(store, method, fails)
    monkeypatch.delattr(store, method)
    tracking.send_kept(config, tmp_path)
    assert tracking.read_run(config.uri, run.run_id).status == "FINISHED"
    (model,) = lineage.models_of(store, "s")
    assert (of(config, run)[0], str(model.status)) == ([model.model_id], "READY")


def test_a_store_that_keeps_no_models_is_said_once_and_fails_no_run(config, monkeypatch, capsys):
    def refuses(*_, **__):
        raise MlflowException("API request to endpoint /logged-models failed with error code 404\nbody")

    store = tracking.client(config.uri)
    for method in ("create_logged_model", "search_logged_models"):
        monkeypatch.setattr(store, method, refuses)
    for fingerprint in (PRETRAIN, SFT):
        with stage(config, "pretrain", fingerprint, inputs=[BASE]) as run:
            pass
        assert tracking.read_run(config.uri, run.run_id).status == "FINISHED"
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    (line,) = lines
    assert line.startswith("warning: tracking.lineage: the store takes no models of runs (API request to endpoint")
    rename_study(config.uri, "s", "t")
    delete_study(config.uri, "t")


def test_models_follow_their_study(config, tmp_path):
    with stage(config, "pretrain", PRETRAIN):
        pass
    with stage(config, "sft", SFT, inputs=[BASE]):
        pass
    store = tracking.client(config.uri)
    rename_study(config.uri, "s", "it's another")
    assert [len(list(lineage.models_of(store, name))) for name in ("s", "it's another")] == [0, 2]
    given = list(read_study(config.uri, "it's another"))
    for _ in range(2):
        ids = track_study(config, "copy", given, tmp_path / "here")
    copies = {model.name: model for model in lineage.models_of(store, "copy")}
    assert set(copies) == {BASE, f"sft-{SFT}"}
    assert copies[BASE].tags["artifact"] == f"{tmp_path}/here/{BASE}"
    (sft,) = (new for old, new in ids.items() if store.get_run(old).data.tags["stage"] == "sft")
    assert [one.model_id for one in store.get_run(sft).inputs.model_inputs] == [copies[BASE].model_id]
    delete_study(config.uri, "copy")
    assert list(lineage.models_of(store, "copy")) == []
    assert len(list(lineage.models_of(store, "it's another"))) == 2


def test_tracking_does_not_import_mlflow_before_it_has_set_how_mlflow_logs():
    script = "import sys, openr1.tracking.mlflow, openr1.tracking.study_transfer; print('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
