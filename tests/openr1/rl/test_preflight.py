from types import SimpleNamespace

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import Score
from openr1.rl.preflight import check_rewards
from openr1.system.errors import ConfigError

PROBLEMS = {"sums": [Problem("1+1=", "2", "1+1")]}


def scorer(right, empty, empty_tags):
    """A scorer that gives these rewards to the oracle's answer, an empty one, and one with empty tags."""
    scores = [Score({"accuracy": total}, total) for total in (right, empty, empty_tags)]
    return SimpleNamespace(config=SimpleNamespace(terms={}), score=lambda groups, model_based: [scores for _ in groups])


@pytest.mark.parametrize("rewards", [(1.0, 0.0, 0.0), (1.0, 0.0, 0.5), (1.0, 0.0, None), (None, 0.0, 0.0), (0.0, -1.0, 0.0)])
def test_the_oracle_may_have_the_highest_reward_and_an_empty_answer_the_lowest(rewards):
    check_rewards(scorer(*rewards), PROBLEMS)


@pytest.mark.parametrize("rewards", [(0.0, 0.0, 0.0), (1.0, 0.0, 2.0), (1.0, 0.0, -1.0), (-0.5, -1.0, 0.0), (1.0, 0.5, 0.0)])
def test_other_orders_of_rewards_are_refused_also_where_a_reward_is_zero(rewards):
    with pytest.raises(ConfigError, match=r"^reward\.terms: in data\.sources\.sums, the oracle's answer"):
        check_rewards(scorer(*rewards), PROBLEMS)
