import pytest
from helpers.sweeps_studies import CONFIG, opened, space_of, sweep_of
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from openr1.sweeps.limits.amount import Amount
from openr1.sweeps.optuna.retries import retry_trial
from openr1.sweeps.optuna.trial_task import OptunaObserver, TrialTask
from openr1.system.errors import Pruned, RunError
from openr1.tracking import observer

X = "x=interval(0,1)"


@pytest.fixture
def job_number(monkeypatch):
    monkeypatch.setattr(HydraConfig, "get", lambda: OmegaConf.create({"job": {"num": 0}}))


def test_trials_are_compared_at_the_same_tokens_whatever_their_steps(tmp_path):
    sweep = sweep_of(tmp_path, objective="pass_at_1", direction="maximize")
    study = opened(sweep, space_of(X))
    study.ask()
    told = OptunaObserver(sweep, 0)
    rows = [(0, 0.1), (40, None), (60, 0.2), (90, 0.3), (130, 0.4), (420, 0.5), (450, 0.6)]
    for tokens, value in rows:
        told.report(tokens, {"reward": 1.0} if value is None else {"pass_at_1": value}, 50.0)
    assert study.trials[0].intermediate_values == {0: 0.1, 50: 0.2, 90: 0.3, 100: 0.4, 400: 0.5, 450: 0.6}


def test_a_trial_that_is_worse_than_the_others_is_ended(tmp_path):
    options = {"pruner": "median", "pruner_options": {"n_startup_trials": 1}}
    sweep = sweep_of(tmp_path, objective="pass_at_1", direction="maximize", **options)
    study = opened(sweep, space_of(X))
    for number, value in enumerate((0.5, 0.6)):
        trial = study.ask()
        OptunaObserver(sweep, number).report(50, {"pass_at_1": value}, None)
        study.tell(trial, value)
    study.ask()
    with pytest.raises(Pruned, match=r"by sweep.pruner=median at pass_at_1 0.4000 after 50 tokens"):
        OptunaObserver(sweep, 2).report(50, {"pass_at_1": 0.4}, None)


def test_a_run_whose_trial_has_gone_to_another_worker_ends(tmp_path):
    sweep = sweep_of(tmp_path)
    study = opened(sweep, space_of(X))
    study.ask()
    told = OptunaObserver(sweep, 0)
    told.report(1, {"eval_loss": 1.0}, None)
    assert retry_trial(study, study.trials[0], "no heartbeat", 1)
    with pytest.raises(RunError, match="trial 0 has ended"):
        told.report(2, {"eval_loss": 1.0}, None)


@pytest.mark.parametrize("end", [None, Pruned("by the test"), ValueError("boom")])
def test_what_a_trial_has_spent_counts_however_it_ends(tmp_path, job_number, end):
    def function(config):
        observer.note(estimated={"flops": 9.0})
        observer.spend("base", 1.0, 1800.0)
        observer.spend("policy", 1.0, 900.0)
        observer.spend("policy", 2.0, 1800.0)
        if end:
            raise end
        return 0.5

    config = OmegaConf.merge(CONFIG, {"compute": {"processes": 2, "device": "cuda", "price_per_hour": 3.0}})
    outcome = TrialTask(function, sweep_of(tmp_path))(config)
    assert outcome.spent == Amount(flops=3.0, gpu_hours=2.0, money=6.0)
    assert outcome.metrics == ({} if end else {"eval_loss": 0.5})
    assert outcome.pruned == ("by the test" if isinstance(end, Pruned) else None)
    assert outcome.failure == ("ValueError: boom" if isinstance(end, ValueError) else None)
    assert outcome.estimated == ({"flops": 9.0} if isinstance(end, Pruned) else {})
