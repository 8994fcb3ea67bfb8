import multiprocessing
import os
import signal

import pytest
from helpers.cli import command
from mlflow.exceptions import MlflowException

from openr1.system.errors import ConfigError, Interrupted, StoreError
from openr1.system.interrupts import interruptible, received
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig


@pytest.fixture
def config(tmp_path):
    return TrackingConfig(uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/artifacts")


def track(config, study="s", resume=None, **tags):
    return tracking.track(config, study, "name", {"stage": "pretrain", **tags}, {"optim": {"lr": 0.1}}, {"seed": 3}, resume)


def test_a_relative_store_is_that_of_the_current_folder(tmp_path, monkeypatch):
    for place, runs in (("a", 1), ("b", 2)):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        relative = TrackingConfig(uri="sqlite:///mlflow.db", artifacts="artifacts")
        for number in range(runs):
            with track(relative, fingerprint=str(number)):
                pass
        assert len(tracking.read_runs(relative.uri, "s")) == runs


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


@pytest.mark.parametrize("study", ["s", "fresh"])
def test_a_run_that_is_interrupted_while_it_is_created_is_killed(config, monkeypatch, study):
    tracking.client(config.uri)
    with track(config):
        pass

    def interrupted(create):
        def create_and_interrupt(*arguments, **named):
            run = create(*arguments, **named)
            os.kill(os.getpid(), signal.SIGTERM)
            return run

        return create_and_interrupt

    store = tracking.client(config.uri)
    monkeypatch.setattr(store, "create_run", interrupted(store.create_run))
    with interruptible(), pytest.raises(Interrupted), track(config, study):
        raise AssertionError("not reached")
    experiment = store.get_experiment_by_name(config.experiment).experiment_id
    statuses = {run.info.run_name: run.info.status for run in store.search_runs([experiment])}
    assert "RUNNING" not in statuses.values()
    assert received() is None


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


ODD = ["rené's test", 'a "b"', 'it\'s a "b"', "x' OR tags.study != '", "50%", "a\\", "c++ & q?", "中文", "a/b"]


def warnings(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]


def test_studies_of_all_names_are_told_apart(config):
    made = {}
    for study in [*ODD, "50_", "its a b"]:
        with track(config, study, fingerprint="f") as run:
            made[study] = run.run_id
    for study, run_id in made.items():
        assert tracking.find(config, study, "f") == run_id
        (read,) = tracking.read_runs(config.uri, study)
        assert (read.run_id, read.tags["study"]) == (run_id, study)
        assert tracking.client(config.uri).get_run(read.tags["mlflow.parentRunId"]).info.run_name == study
    parents = {run.tags["mlflow.parentRunId"] for run in tracking.read_runs(config.uri, None)}
    assert len(parents) == len(made)
    assert tracking.read_runs(config.uri, "x_ OR tags.study != _") == []


def test_metrics_params_and_tags_of_all_names_are_read_back(config):
    params = {"data": {"sources": {name: {"weight": 1} for name in ("c++", "q&a", "a//b", "it's", "x" * 300)}}}
    tags = {"stage": "evaluate", "input.sources.c++": "one"}
    with tracking.track(config, "s", "name", tags, params, {}) as run:
        run.log({"loss_c++": 1.0, "tokens": 5.0}, 1)
        run.summarise({"pass_at_1_Counting & Probability": 0.5, "loss_c++": 2.0}, 2)
        run.tag(**{"step.a/../b": "two"})
    (read,) = tracking.read_runs(config.uri, "s")
    assert {"data.sources.c++.weight", "data.sources.q&a.weight", "data.sources.a//b.weight"} <= set(read.params)
    assert (read.metrics["pass_at_1_Counting & Probability"], read.metrics["loss_c++"]) == (0.5, 2.0)
    assert (read.tags["input.sources.c++"], read.tags["step.a/../b"]) == ("one", "two")
    assert tracking.read_history(config.uri, run.run_id, ["loss_c++"]) == [
        {"step": 1, "loss_c++": 1.0},
        {"step": 2, "loss_c++": 2.0},
    ]


@pytest.mark.parametrize("call", ["log_batch", "log_text"])
def test_a_run_that_the_store_does_not_let_begin_is_failed_with_the_reason(config, monkeypatch, capsys, call):
    store = tracking.client(config.uri)
    original, calls = getattr(store, call), []

    def refuses(*arguments, **named):
        calls.append(arguments)
        if len(calls) == 1:
            raise MlflowException("no room\nat all")
        return original(*arguments, **named)

    monkeypatch.setattr(store, call, refuses)
    with pytest.raises(StoreError, match=r"^tracking\.uri: .*: no room$"), track(config):
        raise AssertionError("it began")
    (read,) = tracking.read_runs(config.uri, "s", status=None)
    assert read.status == "FAILED"
    assert read.tags["failure"].endswith("no room")
    assert warnings(capsys) == []


def test_what_the_store_does_not_take_now_is_sent_later(config, monkeypatch, capsys):
    store = tracking.client(config.uri)
    log_batch = store.log_batch

    def refuses(*arguments, **named):
        raise OSError("no answer")

    with track(config) as run:
        run.flush_seconds = -1.0
        monkeypatch.setattr(store, "log_batch", refuses)
        for step in (1, 2):
            run.log({"flops": float(step)}, step)
        monkeypatch.setattr(store, "log_batch", log_batch)
        run.log({"flops": 3.0}, 3)
        assert run.outbox.items == []
    assert [point["flops"] for point in tracking.read_history(config.uri, run.run_id, ["flops"])] == [1.0, 2.0, 3.0]
    assert warnings(capsys) == [f"warning: tracking.uri: {config.uri}: no answer; the run continues"]
    assert [read.status for read in tracking.read_runs(config.uri, "s")] == ["FINISHED"]


def test_a_run_that_is_deleted_goes_on_and_says_so_at_its_end(config, capsys):
    reached = []

    def goes_on():
        with track(config) as run:
            tracking.client(config.uri).delete_run(run.run_id)
            run.flush_seconds = -1.0
            for step in (1, 2):
                run.log({"flops": 1.0}, step)
            run.log_text("a", "b.txt")
            run.tag(a="b")
            reached.append(run.run_id)

    with pytest.raises(StoreError, match=r"^tracking\.uri: .*state is deleted; .*the same command tracks it again$"):
        goes_on()
    (run_id,) = reached
    assert len(warnings(capsys)) == 1
    with track(config, resume=run_id) as again:
        pass
    assert again.run_id != run_id


def test_an_error_of_the_run_is_not_hidden_by_one_of_the_store(config):
    def fails():
        with track(config) as run:
            tracking.client(config.uri).delete_run(run.run_id)
            raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        fails()


def test_a_parent_that_is_deleted_is_made_again(config):
    with track(config, fingerprint="f") as first:
        pass
    store = tracking.client(config.uri)
    store.delete_run(store.get_run(first.run_id).data.tags["mlflow.parentRunId"])
    with track(config, fingerprint="g"):
        pass
    first_parent, parent = (run.tags["mlflow.parentRunId"] for run in tracking.read_runs(config.uri, "s"))
    assert parent != first_parent


def test_an_experiment_that_was_deleted_is_one_line_that_says_how_to_restore_it(config):
    tracking.check_store(config)
    with track(config):
        pass
    tracking.check_store(config)
    store = tracking.client(config.uri)
    number = store.get_experiment_by_name("openr1").experiment_id
    store.delete_experiment(number)
    with pytest.raises(
        ConfigError, match=rf"^tracking\.experiment: 'openr1' was deleted in .*restore --experiment-id {number}$"
    ):
        tracking.check_store(config)
    assert tracking.read_runs(config.uri, "s") == []
    store.restore_experiment(number)
    tracking.check_store(config)


def test_a_store_that_cannot_be_written_is_one_line(config, monkeypatch):
    with track(config):
        pass
    monkeypatch.setattr("os.access", lambda path, mode: not str(path).endswith("mlflow.db"))
    with pytest.raises(ConfigError, match=r"^tracking\.uri: .*mlflow\.db cannot be written$"):
        tracking.check_store(config)


def test_no_store_is_made_to_check_it(config, tmp_path):
    tracking.check_store(config)
    assert not list(tmp_path.iterdir())


@pytest.mark.integration
def test_a_command_says_one_line_of_a_deleted_experiment_before_anything_else(config, tmp_path):
    store = tracking.client(config.uri)
    store.delete_experiment(store.create_experiment("openr1"))
    given = ["scale=30k", "budget.tokens=4e3", f"paths.outputs={tmp_path}/outputs", f"tracking.uri={config.uri}"]
    done = command("openr1", *given, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("openr1: tracking.experiment: 'openr1' was deleted in sqlite:///")
    assert not list((tmp_path / "outputs").glob("*"))
