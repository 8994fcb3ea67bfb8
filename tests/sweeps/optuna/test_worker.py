import threading
import time

import pytest
from helpers.sweeps_studies import opened, space_of, sweep_of, worker_of
from optuna.trial import TrialState

from openr1.sweeps.optuna.compat import storage_of, stored_trial, trial_id
from openr1.sweeps.optuna.results import best_trials, summarise, trials_frame
from openr1.sweeps.optuna.retries import retry_trial
from openr1.sweeps.optuna.trial_counts import TrialCounts
from openr1.sweeps.optuna.trial_task import TrialOutcome
from openr1.system.errors import RunError
from openr1.system.processes import current_process

X = "x=interval(0,1)"


def parabola(given, number):
    return {"eval_loss": (given["x"] - 0.3) ** 2, "flops": given["x"]}


def states(study):
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]


def test_the_number_of_trials_is_the_total_however_often_the_command_is_given(tmp_path):
    space = space_of(X)
    for n_trials, total in ((4, 4), (4, 4), (6, 6)):
        worker = worker_of(sweep_of(tmp_path, n_trials=n_trials), space, parabola)
        worker.work()
        assert states(worker.study) == ["COMPLETE"] * total
    assert len({trial.params["x"] for trial in worker.study.trials}) == 6


@pytest.mark.slow
def test_workers_at_once_make_no_trial_too_many(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=9), space_of(X)
    workers = [worker_of(sweep, space, parabola, n_jobs=2) for _ in range(3)]
    threads = [threading.Thread(target=worker.work) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = TrialCounts.of(workers[0].study)
    assert len(counts.ended) == 9
    assert not counts.running
    assert len({trial.params["x"] for trial in counts.ended}) == 9


def test_a_trial_that_raises_is_recorded_with_its_reason_and_the_sweep_goes_on(tmp_path):
    def objective(given, number):
        return TrialOutcome(failure="ValueError: boom", traceback="a trace") if number == 1 else parabola(given, number)

    worker = worker_of(sweep_of(tmp_path, max_failure_rate=0.3), space_of(X), objective)
    worker.work()
    assert states(worker.study).count("COMPLETE") == 5
    failed = worker.study.trials[1]
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["failure"] == "ValueError: boom"
    assert failed.user_attrs["traceback"] == "a trace"


def test_a_trial_that_is_lost_before_it_begins_ends_no_worker(tmp_path, monkeypatch):
    worker = worker_of(sweep_of(tmp_path, n_trials=3), space_of(X), parabola)
    ask, lost = worker.study.ask, []

    def ask_and_stand_still():
        trial = ask()
        if not lost:
            lost.append(trial.number)
            retry_trial(worker.study, stored_trial(worker.study, trial), "no heartbeat", 1)
        return trial

    monkeypatch.setattr(worker.study, "ask", ask_and_stand_still)
    worker.work()
    assert states(worker.study) == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]


@pytest.mark.parametrize("figures", [{}, {"eval_loss": float("nan")}, {"flops": 1.0}])
def test_a_trial_without_its_figure_has_failed(tmp_path, figures):
    worker = worker_of(sweep_of(tmp_path, n_trials=2), space_of(X), lambda given, number: figures)
    worker.work()
    assert states(worker.study) == ["FAIL", "FAIL"]
    assert "eval_loss" in worker.study.trials[0].user_attrs["failure"]


def test_a_trial_that_raises_can_be_tried_again_with_the_same_params(tmp_path):
    tried = []

    def objective(given, number):
        tried.append(given["x"])
        return TrialOutcome(failure="no luck") if len(tried) < 3 else parabola(given, number)

    worker = worker_of(sweep_of(tmp_path, n_trials=2, retries=2), space_of(X), objective)
    worker.work()
    assert tried[0] == tried[1] == tried[2] != tried[3]
    assert len(TrialCounts.of(worker.study).ended) == 2
    assert not TrialCounts.of(worker.study).failed


def test_too_many_failures_stop_the_sweep(tmp_path):
    failed = TrialOutcome(failure="ValueError: boom")
    worker = worker_of(sweep_of(tmp_path, n_trials=50), space_of(X), lambda given, number: failed)
    message = r"5 of 5 trials failed, more than sweep.max_failure_rate=0.5; the last: ValueError: boom"
    with pytest.raises(RunError, match=message):
        worker.work()
    assert len(worker.study.trials) == 5


def test_out_of_memory_halves_the_batch(tmp_path):
    batches = []

    def objective(given, number):
        batch = given.get("compute.micro_batch", 12)
        batches.append(batch)
        return parabola(given, number) if batch <= 3 else TrialOutcome(failure="out of memory", out_of_memory=True, batch=batch)

    worker = worker_of(sweep_of(tmp_path, n_trials=1), space_of(X), objective)
    worker.work()
    assert batches == [12, 6, 3]
    (trial,) = worker.study.trials
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs["halved"] == {"compute.micro_batch": 3}
    batches.clear()
    worker = worker_of(sweep_of(tmp_path, name="once", n_trials=1, oom_halvings=1), space_of(X), objective)
    worker.work()
    assert batches == [12, 6]
    assert states(worker.study) == ["FAIL"]


def test_a_trial_of_a_killed_worker_is_tried_again_at_once(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=3), space_of(X)
    study = opened(sweep, space)
    killed = study.ask(space.distributions)
    killed.set_user_attr("worker", {**current_process(), "started": "1"})
    start = time.monotonic()
    lines = []
    worker_of(sweep, space, parabola, study, lines=lines).work()
    assert time.monotonic() - start < 10
    assert "trial 0 is retried: its worker" in lines[0]
    assert states(study).count("COMPLETE") == 3
    assert study.trials[1].params == killed.params
    assert "was killed" in study.trials[0].user_attrs["failure"]


def test_a_trial_of_another_machine_is_tried_again_when_its_heart_stops(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=2, heartbeat_seconds=0.1, grace_seconds=1.0), space_of(X)
    study = opened(sweep, space)
    study.ask(space.distributions).set_user_attr("worker", {**current_process(), "machine": "another"})
    worker_of(sweep, space, parabola, study).work()
    assert study.trials[0].user_attrs["failure"] == "no heartbeat for 1 s"
    assert states(study).count("COMPLETE") == 2


def test_a_trial_of_another_machine_that_lives_is_left_alone(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=2, heartbeat_seconds=0.1, grace_seconds=1.0), space_of(X)
    study = opened(sweep, space)
    other = study.ask(space.distributions)
    other.set_user_attr("worker", {**current_process(), "machine": "another"})
    stop = threading.Event()

    def beat():
        while not stop.wait(0.1):
            storage_of(study).set_trial_system_attr(trial_id(other), "heartbeat", time.time())

    thread = threading.Thread(target=beat)
    thread.start()
    worker_of(sweep, space, parabola, study).work()
    stop.set()
    thread.join()
    assert states(study) == ["RUNNING", "COMPLETE"]


def test_a_lost_job_is_tried_again_and_not_for_ever(tmp_path):
    worker = worker_of(sweep_of(tmp_path, n_trials=1, lost_retries=2), space_of(X), parabola)
    worker.runner.start = lambda batch, number: 1 / 0
    worker.work()
    assert states(worker.study) == ["FAIL"] * 3
    assert "its job was lost: ZeroDivisionError" in worker.study.trials[2].user_attrs["failure"]


def test_an_interrupted_trial_is_the_next_one(tmp_path):
    def interrupted(given, number):
        raise KeyboardInterrupt

    sweep, space = sweep_of(tmp_path, n_trials=2), space_of(X)
    worker = worker_of(sweep, space, interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.work()
    first = worker.study.trials[0].params
    worker_of(sweep, space, parabola).work()
    assert [trial.params for trial in worker.study.trials][:2] == [first, first]
    assert states(worker.study) == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_trial_that_another_worker_ended_is_not_ended_twice(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=1), space_of(X)
    study = opened(sweep, space)

    def objective(given, number):
        if number == 0:
            assert retry_trial(study, study.get_trials()[0], "no heartbeat", 1)
        return parabola(given, number)

    worker_of(sweep, space, objective, study).work()
    assert states(study) == ["FAIL", "COMPLETE"]


def test_several_objectives_and_constraints(tmp_path):
    sweep = sweep_of(tmp_path, objective=["eval_loss", "flops"], constraints={"flops": 0.2}, sampler="nsga2", n_trials=12)
    worker = worker_of(sweep, space_of(X), parabola)
    worker.work()
    front = best_trials(worker.study)
    assert front
    assert all(trial.params["x"] <= 0.2 for trial in front)
    assert worker.study.metric_names == ["eval_loss", "flops"]
    assert summarise(worker.study, sweep)["solutions"][0]["values"]
    assert {"eval_loss", "flops", "params.x", "constraints.flops", "state"} <= set(trials_frame(worker.study, sweep).columns)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"terminator": "stagnation", "terminator_options": {"trials": 3}}, "3 trials without improvement"),
        ({"terminator": "target", "terminator_options": {"value": 2.0}}, "a trial has reached 2"),
        ({"timeout_minutes": 0.0}, "have passed"),
    ],
)
def test_a_sweep_ends_before_its_last_trial_where_more_brings_little(tmp_path, options, reason):
    lines = []
    worker = worker_of(
        sweep_of(tmp_path, n_trials=50, **options), space_of(X), lambda given, number: {"eval_loss": 1.0}, lines=lines
    )
    worker.work()
    assert reason in lines[-1]
    assert len(worker.study.trials) < 10


def test_a_grid_is_done_when_all_of_it_is(tmp_path):
    space = space_of("x=range(0,3)", "kind=a,b")
    worker = worker_of(sweep_of(tmp_path, sampler="grid", n_trials=6), space, parabola, n_jobs=2)
    worker.work()
    assert len({tuple(trial.params.items()) for trial in worker.study.trials}) == 6


def test_a_pruned_trial_has_the_constraints_that_are_known_of_it(tmp_path):
    estimated = {"flops": 3.0, "lr": 0.1}
    sweep = sweep_of(tmp_path, n_trials=1, constraints={"flops": 1.0, "peak_memory_bytes": 1e9})
    worker = worker_of(sweep, space_of(X), lambda given, number: TrialOutcome(pruned="by the test", estimated=estimated))
    worker.work()
    assert worker.study.trials[0].constraints == {"flops": 2.0}
