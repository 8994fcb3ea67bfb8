import pytest
from helpers.configs import composed

from openr1.system.errors import ConfigError
from openr1.training.budget import resolve


@pytest.mark.parametrize("given", ["budget.flops=4e11", "budget.tokens=1e6", "budget.steps=700"])
@pytest.mark.parametrize("family", ["qwen2", "deepseek_v3"])
def test_one_key_is_given_and_the_others_follow_to_within_a_step(given, family):
    budget = resolve(composed(f"model={family}", given))
    key, value = given.removeprefix("budget.").split("=")
    step = {"flops": budget.batch_tokens * budget.flops_per_token, "tokens": budget.batch_tokens, "steps": 1}[key]
    assert getattr(budget, key) == pytest.approx(float(value), abs=step)
    assert budget.flops == pytest.approx(budget.tokens * budget.flops_per_token)
    assert budget.tokens == budget.steps * budget.batch_tokens


def test_without_a_budget_tokens_follow_from_parameters():
    budget = resolve(composed("budget=overtrained"))
    assert budget.tokens == pytest.approx(200 * budget.params.non_embedding, rel=1e-3)


def test_rules_give_learning_rate_and_batch():
    budget = resolve(composed("optim=step_law", "scale=1m", "budget.tokens=1e9"))
    assert budget.batch_tokens == pytest.approx(0.58 * 1e9**0.571, abs=128)
    assert budget.lr == pytest.approx(1.79 * budget.params.non_embedding**-0.713 * budget.tokens**0.307)
    assert resolve(composed("optim.lr=0.005", "optim.lr_scale=3")).lr == 0.005
    assert resolve(composed("optim.lr_scale=3")).lr == pytest.approx(3 * resolve(composed()).lr)


def test_a_batch_is_a_whole_number_of_forward_passes():
    budget = resolve(composed("compute.micro_batch=3", "optim.batch_tokens=1280"))
    assert budget.batch == 9


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["budget.tokens=100"], "budget.tokens"),
        (["budget.flops=1e6"], "budget.flops"),
        (["budget.steps=10", "optim=step_law"], "budget.steps"),
        (["budget.epochs=1"], "budget.epochs"),
    ],
)
def test_a_budget_that_cannot_be_met_names_its_key(overrides, key):
    with pytest.raises(ConfigError, match=f"^{key}:"):
        resolve(composed(*overrides))
