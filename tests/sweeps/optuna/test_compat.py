"""Private parts of Optuna are as sweeps/optuna/compat.py was written for."""

import hashlib
import inspect

import optuna
import pytest
from optuna import Study, Trial
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import _constrained_optimization
from optuna.trial import TrialState

from openr1.sweeps.optuna import compat

SOURCES = [
    (Study.stop, "026c9429543d"),
    (Study.enqueue_trial, "ac4c26a48262"),
    (Study._pop_waiting_trial_id, "ecf5e7d89f7f"),
    (Trial._suggest, "396fddd4a289"),
    (Trial.set_constraint, "d51e15cd2610"),
    (RetryHeartbeatStaleTrialCallback.__call__, "af617d689c86"),
    (_constrained_optimization._get_constraints_from_system_attrs, "1990b30c0f27"),
    (BaseDistribution._contains, "1e0f73692e89"),
]


@pytest.fixture
def study():
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


@pytest.mark.parametrize(("part", "digest"), SOURCES, ids=lambda value: getattr(value, "__qualname__", ""))
def test_the_source_is_the_one_that_was_read(part, digest):
    read = hashlib.sha256(inspect.getsource(part).encode()).hexdigest()[:12]
    assert read == digest, f"Optuna has changed {part.__qualname__}: read it, then write {read} here"


def test_a_trial_has_an_id_in_the_storage_of_its_study(study):
    study.ask()
    trial = study.ask()
    assert compat.storage_of(study).get_trial(compat.trial_id(trial)).number == 1
    assert compat.trial_id_of_number(study, 1) == compat.trial_id(trial) == compat.trial_id(study.trials[1])


def test_a_stored_trial_has_what_was_sampled_from_a_distribution(study):
    trial = study.ask()
    value = compat.suggest(trial, "x", FloatDistribution(0, 1))
    assert compat.stored_trial(study, trial).params == {"x": value}


def test_a_distribution_contains_what_it_can_give():
    assert compat.contains(IntDistribution(1, 7, step=3), 4)
    assert not compat.contains(IntDistribution(1, 7, step=3), 5)
    assert not compat.contains(FloatDistribution(0, 1), 2.0)


def test_names_of_attributes_are_those_of_optuna(study):
    study.enqueue_trial({"x": 0.5})
    assert study.trials[0].system_attrs == {compat.FIXED_PARAMS: {"x": 0.5}}
    trial = study.ask()
    trial.set_constraint("flops", 1.0)
    assert any(key.startswith(compat.CONSTRAINTS) for key in study.trials[0].system_attrs)
    again = optuna.create_trial(
        state=TrialState.COMPLETE, value=0.0, system_attrs={compat.RETRY_HISTORY: [0], compat.FIRST_FAILED: 0}
    )
    assert RetryHeartbeatStaleTrialCallback.retry_history(again) == [0]
    assert RetryHeartbeatStaleTrialCallback.retried_trial_number(again) == 0


def test_a_sampler_without_points_left_stops_a_study_that_is_not_optimised():
    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"x": [0]}))
    trial = study.ask({"x": IntDistribution(0, 0)})
    with pytest.raises(RuntimeError) as stopped:
        study.tell(trial, 0.0)
    assert compat.is_stop_outside_optimize(stopped.value)
    assert not compat.is_stop_outside_optimize(RuntimeError("the sampler stops"))
