import multiprocessing

import pytest
from mlflow.exceptions import MlflowException

from openr1 import tracking
from openr1.config import TrackingConfig
from openr1.errors import ConfigError


@pytest.fixture
def config(tmp_path):
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/artifacts")


def track(config, study="s", resume=None, **tags):
    return tracking.track(config, study, "name", {"stage": "pretrain", **tags}, {"optim": {"lr": 0.1}}, {"seed": 3}, resume)


def test_a_run_is_read_back_with_its_curves_config_and_parent(config):
    with track(config, fingerprint="f") as run:
        for step in (1, 2):
            run.log({"tokens": 10.0 * step, "flops": 60.0 * step, "eval_loss": 4.0 - step}, step)
        run.summarise({"eval_loss": 2.0}, 2)
        run.log_dataset("text", "abc", {"tokens": 5}, "training")
    (read,) = tracking.read_runs(config.uri, "s")
    assert (read.run_id, read.metrics["eval_loss"], read.params["optim.lr"]) == (run.run_id, 2.0, "0.1")
    assert {"study", "hardware", "git_commit", "mlflow.parentRunId"} <= set(read.tags)
    history = tracking.read_history(config.uri, run.run_id, ("flops", "eval_loss"))
    assert history == [{"step": 1, "flops": 60.0, "eval_loss": 3.0}, {"step": 2, "flops": 120.0, "eval_loss": 2.0}]
    assert tracking.read_config(config.uri, run.run_id) == {"seed": 3}
    assert tracking.find(config, "s", "f") == run.run_id
    assert tracking.find(config, "other", "f") is None


def test_a_data_set_that_another_run_adds_at_the_same_moment_is_found(config, monkeypatch):
    store = tracking.client(config.uri)
    log_inputs, calls = store.log_inputs, []

    def beaten_once(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise MlflowException("UNIQUE constraint failed: datasets.experiment_id, datasets.name, datasets.digest")
        return log_inputs(*arguments)

    monkeypatch.setattr(store, "log_inputs", beaten_once)
    with track(config) as run:
        run.log_dataset("text", "abc", {"tokens": 5}, "training")
    (logged,) = store.get_run(run.run_id).inputs.dataset_inputs
    assert logged.dataset.digest == "abc"


def test_a_crash_marks_the_run_failed_with_the_reason(config):
    with pytest.raises(ValueError, match="no good"), track(config):
        raise ValueError("no good\nat all")
    assert tracking.read_runs(config.uri, "s") == []
    (read,) = tracking.read_runs(config.uri, "s", status="FAILED")
    assert read.tags["failure"] == "ValueError: no good"


def test_a_killed_run_goes_on_and_sends_no_step_twice(config):
    def killed():
        with track(config) as run:
            started.append(run)
            run.log({"flops": 1.0}, 1)
            run.log({"flops": 2.0}, 2)
            raise KeyboardInterrupt

    started = []
    with pytest.raises(KeyboardInterrupt):
        killed()
    (run,) = started
    with track(config, resume=run.run_id) as resumed:
        for step in (1, 2, 3):
            resumed.log({"flops": float(step)}, step)
    assert resumed.run_id == run.run_id
    points = tracking.client(config.uri).get_metric_history(run.run_id, "flops")
    assert [point.step for point in points] == [1, 2, 3]
    (read,) = tracking.read_runs(config.uri, "s")
    assert "failure" not in read.tags


def _track_one(config, number):
    with track(config, trial=number) as run:
        run.log_dataset("text", "abc", {"tokens": 5}, "training")
        run.log({"flops": 1.0}, 1)


@pytest.mark.integration
def test_six_processes_start_at_once_on_a_fresh_store(config):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_track_one, args=(config, number)) for number in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    runs = tracking.read_runs(config.uri, "s")
    assert sorted(run.tags["trial"] for run in runs) == list("012345")
    assert len({run.tags["mlflow.parentRunId"] for run in runs}) == 1


def test_a_store_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^tracking\.uri: there is no store"):
        tracking.read_runs(f"sqlite:///{tmp_path}/none.db", "s")
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_not_there_is_one_line(config):
    tracking.client(config.uri)
    with pytest.raises(ConfigError, match=r"^run abc: not in the store"):
        tracking.read_run(config.uri, "abc")
