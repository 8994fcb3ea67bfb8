import shutil
from pathlib import Path

import pytest

from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig
from openr1.tracking.studies import write_views
from openr1.tracking.study_run import Law, describe_study, log_report


@pytest.fixture
def config(tmp_path):
    (tmp_path / "one").mkdir()
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/one/mlflow.db", artifacts=f"{tmp_path}/one/mlartifacts")


def make(config, loss, lr, seed=0, name=None, study="s"):
    params = {"optim": {"lr": lr}, "seed": seed, "model": {"family": "qwen2"}, "unset": None}
    with tracking.track(config, study, name or f"lr={lr}", {"stage": "pretrain", "role": "stage"}, params, {}) as run:
        run.summarise({"eval_loss": loss, "flops": 1e9, "params_non_embedding": 10, "tokens": 5}, 3)
    return run.run_id


def stored(config, run_id):
    return tracking.client(config.uri).get_run(run_id)


def test_the_run_of_a_study_says_what_it_came_to(config):
    make(config, 3.0, 0.1)
    best = make(config, 2.0, 0.2, name="a|b [c]")
    with pytest.raises(ValueError, match="bad"), tracking.track(config, "s", "f", {"stage": "pretrain"}, {}, {}):
        raise ValueError("bad")
    run = stored(config, describe_study(config.uri, "s"))
    assert run.data.metrics == {"best_eval_loss": 2.0, "runs_finished": 2.0, "runs_failed": 1.0, "flops_total": 2e9}
    note = run.data.tags["mlflow.note.content"]
    assert "3 runs (1 failed, 2 finished)" in note
    assert (
        f"[a/b (c)](#/experiments/{run.info.experiment_id}/runs/{best}?workflowType=machine_learning) | 10 | 5 | 1e+09 | 2"
        in note
    )
    assert note.index("a/b (c)") < note.index("lr=0.1")
    end = max(stored(config, item.run_id).info.end_time for item in tracking.read_runs(config.uri, "s", None))
    assert run.info.end_time == end


def test_what_a_study_shares_follows_its_runs(config):
    make(config, 3.0, 0.1)
    run_id = describe_study(config.uri, "s")
    assert {"shared.optim.lr", "shared.seed", "shared.model.family"} <= set(stored(config, run_id).data.tags)
    make(config, 2.0, 0.2)
    describe_study(config.uri, "s")
    tags = stored(config, run_id).data.tags
    assert "shared.optim.lr" not in tags
    assert tags["shared.seed"] == "0"
    assert "shared.unset" not in tags
    history = tracking.client(config.uri).get_metric_history(run_id, "best_eval_loss")
    assert [(point.step, point.value) for point in history] == [(1, 3.0), (2, 2.0)]


def test_a_description_of_many_runs_fits_into_a_tag(config):
    for number in range(30):
        make(config, 3.0 + number, 0.1, name=f"{number} " + "long name " * 15)
    note = stored(config, describe_study(config.uri, "s")).data.tags["mlflow.note.content"]
    assert len(note) <= 5000
    assert note.endswith("|")


def test_a_report_is_in_the_run_of_its_study_and_stays_when_it_is_described_again(config, tmp_path):
    make(config, 3.0, 0.1)
    report, figure = tmp_path / "report.html", tmp_path / "loss.svg"
    report.write_text("<h1>laws</h1>")
    figure.write_text("<svg/>")
    laws = [Law("chinchilla", "alpha 0.3 (0.2 to 0.4)", "0.01")]
    run_id = log_report(config.uri, "s", [report, figure], {"fit.chinchilla.alpha": 0.3}, laws)
    describe_study(config.uri, "s")
    run = stored(config, run_id)
    assert run.data.metrics["fit.chinchilla.alpha"] == 0.3
    assert "| alpha 0.3 (0.2 to 0.4) | 0.01 |" in run.data.tags["mlflow.note.content"]
    assert f"runs/{run_id}/artifacts/report/report.html" in run.data.tags["mlflow.note.content"]
    store = tracking.client(config.uri)
    assert {file.path for file in store.list_artifacts(run_id, "report")} == {"report/report.html", "report/figures"}


def test_a_study_that_is_not_there_has_no_run(config):
    make(config, 3.0, 0.1)
    assert describe_study(config.uri, "other") is None
    with pytest.raises(ConfigError, match=r"^study: there are no runs of 'other' in .*; it has s$"):
        write_views(config.uri, "other")


def test_the_newest_study_is_shown_and_an_experiment_opens_on_the_side_of_training(config):
    make(config, 3.0, 0.1, study="old")
    make(config, 3.0, 0.1, study="it's new")
    shown = write_views(config.uri)
    assert shown.name == "it's new"
    tags = tracking.client(config.uri).get_experiment(shown.experiment).tags
    assert sum(key.startswith("mlflow.sharedViewState.") for key in tags) == 2
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_outputs_that_were_moved_keep_their_files(config, tmp_path, capsys):
    run_id = make(config, 3.0, 0.1)
    shutil.move(tmp_path / "one", tmp_path / "two")
    uri = f"sqlite:///{tmp_path}/two/mlflow.db"
    assert tracking.read_config(uri, run_id) == {}
    assert "was moved" in capsys.readouterr().err
    moved = TrackingConfig(uri=uri, artifacts=f"{tmp_path}/two/mlartifacts")
    assert Path(tracking.client(uri).get_run(make(moved, 2.0, 0.2)).info.artifact_uri.removeprefix("file://")).is_dir()
    assert not (tmp_path / "one").exists()


def test_outputs_that_were_copied_keep_the_files_of_both(config, tmp_path):
    run_id = make(config, 3.0, 0.1)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert tracking.read_config(f"sqlite:///{tmp_path}/two/mlflow.db", run_id) == {}
    assert tracking.read_config(config.uri, run_id) == {}
