import statistics

import pytest

from openr1.data.tasks.base import Problem
from openr1.engines.base import Completion, Reply
from openr1.rewards import RewardConfig, Sample, Score, Scorer, TermConfig
from openr1.rl.completions_table import completion_rows
from openr1.rl.generation import PolicyReply
from openr1.rl.rollouts import Group, score_groups


def group(*totals):
    reply = PolicyReply([1], Reply("0"))
    return Group(Problem("1+1=", "2"), reply, [Score({"accuracy": total}, total) for total in totals])


def test_a_group_has_zero_variance_where_no_answer_is_better_than_another():
    assert group(1.0, 1.0).zero_variance
    assert not group(1.0, 0.0).zero_variance
    assert group(None, None).zero_variance
    # an answer that nobody can score says nothing
    assert group(1.0, None).zero_variance
    assert not group(1.0, None, 0.0).zero_variance


def reply(*texts, end="stop"):
    completions = tuple(Completion(text, end, len(text) + (end == "stop"), tuple(range(len(text)))) for text in texts)
    return PolicyReply([1, 2], Reply("0", completions, 2))


def test_answers_are_scored_in_their_groups_without_the_end_token():
    """The length reward is measured within a problem's group, not over the rollout."""
    problems = [Problem("1+1=", "2"), Problem("2+2=", "4")]
    answers = [reply("<answer>2</answer>", "<think>so</think><answer>2</answer>"), reply(*["<answer>4</answer>"] * 2)]
    with Scorer(RewardConfig({"length": TermConfig()}, workers=1)) as scorer:
        first, second = score_groups(scorer, problems, answers)
        alone = scorer.score([[Sample(problems[0], made.text, made.tokens - 1) for made in answers[0].completions]])[0]
    assert [score.total for score in first.scores] == [score.total for score in alone] == [0.5, -0.5]
    assert [score.total for score in second.scores] == [0.0, 0.0]
    assert second.zero_variance
    table = completion_rows([first, second], step=3)
    assert [row["reward"] for row in table] == [0.5, -0.5, 0.0, 0.0]
    assert [row["length"] for row in table] == [18, 35, 18, 18]
    assert table[0] | {"step": 3, "prompt": "1+1=", "signal": True} == table[0]


def test_advantages_are_those_that_a_policy_learns_from():
    groups = [scored(1.0, 0.0), scored(3.0, 1.0, None), scored(2.0, 2.0)]

    def advantages(scale):
        return [row["advantage"] for row in completion_rows(groups, 1, scale)]

    half, std = 0.5, 0.5**0.5  # the standard deviation of 0 and 1 is that of a sample
    assert advantages("none") == pytest.approx([half, -half, 1, -1, None, 0, 0])
    assert advantages("group") == pytest.approx([half / std, -half / std, 1 / 2**0.5, -1 / 2**0.5, None, 0, 0], abs=1e-3)
    spread = statistics.stdev([1, 0, 3, 1, 2, 2])
    assert advantages("batch")[:2] == pytest.approx([half / spread, -half / spread], abs=1e-3)


def scored(*totals):
    made = reply(*["x"] * len(totals))
    return Group(Problem("1+1=", "2"), made, [Score({"accuracy": total}, total) for total in totals])


def test_lengths_are_those_of_the_tokens():
    assert reply("abc").lengths == [(2, 3)]
