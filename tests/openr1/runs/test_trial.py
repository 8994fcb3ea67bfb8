"""The metrics of a trial that its study has already."""

from types import SimpleNamespace

import pytest

from openr1.runs.trial import finished_metrics
from openr1.tracking import mlflow as tracking


def step(name, metrics):
    config = SimpleNamespace(stage=SimpleNamespace(kind="grpo"))
    artifact = None if metrics is None else SimpleNamespace(metrics=metrics)
    return SimpleNamespace(name=name, config=config, fingerprint=f"of {name}", artifact=lambda: artifact)


@pytest.fixture(autouse=True)
def _tracked(monkeypatch):
    monkeypatch.setattr(tracking, "find", lambda *_: "a run")


def config(recipe):
    return SimpleNamespace(recipe=recipe, tracking=None, study="s")


def test_a_step_of_a_recipe_can_be_asked_for_by_its_name():
    steps = [step("zero", {"pass_at_1": 0.8, "eval_kl": 0.1}), step("eval_zero", {"pass_at_1": 0.9})]
    assert finished_metrics(config("r1_zero"), steps) == {
        "pass_at_1": 0.9,
        "eval_kl": 0.1,
        "zero.pass_at_1": 0.8,
        "zero.eval_kl": 0.1,
        "eval_zero.pass_at_1": 0.9,
    }


def test_a_run_of_one_stage_has_its_own_names_only():
    assert finished_metrics(config(None), [step("", {"eval_loss": 2.0})]) == {"eval_loss": 2.0}


def test_a_trial_with_a_step_to_do_has_no_metrics():
    assert finished_metrics(config("r1_zero"), [step("base", {"eval_loss": 2.0}), step("zero", None)]) is None
