"""Workers that are killed between two writes, or that stand still while others go on."""

import pytest
from helpers.sweeps_studies import opened, space_of, sweep_of, worker_of
from optuna.trial import TrialState

from openr1.sweeps.optuna import retries
from openr1.sweeps.optuna.compat import storage_of, stored_trial, trial_id
from openr1.sweeps.optuna.retries import discard_trial, queue_successors, retry_trial
from openr1.sweeps.optuna.trial_counts import SURPLUS, TrialCounts
from openr1.system.processes import current_process

X = "x=interval(0,1)"


class Killed(BaseException):
    """Stands for a kill at this moment: nothing is written after it."""


def killed(*_, **__):
    raise Killed


def parabola(given, number):
    return {"eval_loss": (given["x"] - 0.3) ** 2}


def completed(study):
    return [trial.params["x"] for trial in study.get_trials(states=(TrialState.COMPLETE,))]


def end_worker_of(study, number):
    """Have a trial look as if its worker had ended."""
    trial = study.trials[number]
    storage_of(study).set_trial_user_attr(trial_id(trial), "worker", {**current_process(), "started": "1"})


def lost_trial(study, space):
    """Return a trial whose worker has ended."""
    trial = study.ask(space.distributions)
    end_worker_of(study, trial.number)
    return stored_trial(study, trial)


def test_a_retry_whose_worker_is_killed_before_it_is_queued_is_queued_by_the_next(tmp_path, monkeypatch):
    sweep, space = sweep_of(tmp_path, n_trials=3), space_of(X)
    study = opened(sweep, space)
    lost = lost_trial(study, space)
    with monkeypatch.context() as patched:
        patched.setattr(study, "add_trial", killed)
        with pytest.raises(Killed):
            retry_trial(study, lost, "was killed", 3)
    assert [trial.state.name for trial in study.trials] == ["FAIL"]
    assert not TrialCounts.of(study).failed  # it will be tried again
    worker_of(sweep, space, parabola).work()
    assert len(completed(study)) == 3
    assert completed(study).count(lost.params["x"]) == 1
    assert [trial.number for trial in TrialCounts.of(study).ended] == [1, 2, 3]


@pytest.mark.parametrize("write", ["set_trial_user_attr", "set_trial_state_values"])
def test_a_retry_whose_worker_is_killed_before_it_has_ended_the_trial_is_done_by_the_next(tmp_path, monkeypatch, write):
    sweep, space = sweep_of(tmp_path, n_trials=2), space_of(X)
    study = opened(sweep, space)
    lost = lost_trial(study, space)
    with monkeypatch.context() as patched:
        patched.setattr(storage_of(study).storage, write, killed)
        with pytest.raises(Killed):
            retry_trial(study, lost, "was killed", 3)
    worker_of(sweep, space, parabola).work()
    assert len(completed(study)) == 2
    assert completed(study).count(lost.params["x"]) == 1


@pytest.mark.parametrize("write", ["create_new_trial", "set_trial_state_values"])
def test_an_enqueued_config_is_not_lost_with_the_worker_that_discards_it(tmp_path, monkeypatch, write):
    sweep, space = sweep_of(tmp_path, n_trials=2, enqueue=[{"x": 0.25}]), space_of(X)
    study = opened(sweep, space)
    trial = study.ask(space.distributions)
    end_worker_of(study, trial.number)
    with monkeypatch.context() as patched:
        patched.setattr(storage_of(study).storage, write, killed)
        with pytest.raises(Killed):
            discard_trial(study, stored_trial(study, trial))
    assert SURPLUS in study.trials[0].user_attrs
    worker_of(sweep, space, parabola).work()
    assert len(completed(study)) == 2
    assert completed(study).count(0.25) == 1


def test_two_workers_that_queue_a_successor_at_once_run_one(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=3), space_of(X)
    study = opened(sweep, space)
    lost = lost_trial(study, space)
    retry_trial(study, lost, "was killed", 3)
    retries._enqueue(study, study.trials[0], study.trials[0].user_attrs["successor"])  # as a worker that saw no successor yet
    queue_successors(study)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "WAITING", "WAITING"]
    tried = []
    worker = worker_of(sweep, space, lambda given, number: tried.append(given["x"]) or parabola(given, number))
    worker.work()
    assert tried.count(lost.params["x"]) == 1
    assert len(tried) == len(completed(study)) == len(TrialCounts.of(study).ended) == 3


def test_a_worker_killed_before_it_tells_a_result_has_its_trial_repeated_and_counted_once(tmp_path, monkeypatch):
    sweep, space = sweep_of(tmp_path, n_trials=2), space_of(X)
    study = opened(sweep, space)
    worker = worker_of(sweep, space, parabola, study)
    with monkeypatch.context() as patched:
        patched.setattr(study, "tell", killed)
        patched.setattr(worker, "_return_trials", lambda: None)  # nothing is written after a kill
        with pytest.raises(Killed):
            worker.work()
    end_worker_of(study, 0)
    worker_of(sweep, space, parabola).work()
    assert len(completed(study)) == len(TrialCounts.of(study).ended) == 2
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_worker_that_stood_still_goes_on_with_another_trial(tmp_path):
    sweep, space = sweep_of(tmp_path, n_trials=3), space_of(X)
    study = opened(sweep, space)
    lines = []

    def stand_still(given, number):
        if number == 0:  # meanwhile another worker takes the trial over, and completes it
            assert retry_trial(study, study.trials[0], "no heartbeat for 120 s", 3)
            study.tell(study.ask(), 0.5)
        return parabola(given, number)

    worker_of(sweep, space, stand_still, study, lines=lines).work()
    assert lines[0] == "trial 0 counted as lost, and another worker retries it"
    assert study.trials[1].value == 0.5  # the late result has not replaced it
    assert len(completed(study)) == len(TrialCounts.of(study).ended) == 3
