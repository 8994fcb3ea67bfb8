import itertools
import math

import numpy as np
import pytest

from openr1.evaluation.metrics import Answers, breakdown, clustered, grouped, ks, majority_at_k, pass_at_k, score, task_rates


def answers(right, vote=None, task="sums", difficulty=None, tokens=None):
    count = len(right)
    vote = vote or [str(value) for value in right]
    return Answers(task, difficulty, list(right), vote, [True] * count, tokens or [10] * count, [True] * count, [False] * count)


@pytest.mark.parametrize(("samples", "right"), [(5, 0), (5, 1), (5, 3), (5, 5), (8, 2)])
def test_pass_at_k_is_the_share_of_draws_with_a_right_answer(samples, right):
    pool = [True] * right + [False] * (samples - right)
    for k in range(1, samples + 1):
        draws = list(itertools.combinations(pool, k))
        assert pass_at_k(samples, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_needs_k_samples():
    with pytest.raises(ValueError, match="at least 6 samples"):
        pass_at_k(5, 2, 6)


def test_a_majority_wins_ties_share_and_silence_has_no_vote():
    right = {"7": True, "8": False, "9": False}
    votes = ["7", "7", "8", None]
    assert majority_at_k([right.get(vote, False) for vote in votes], votes, 4) == 1
    tied = ["7", "8", None, None]
    assert majority_at_k([True, False, False, False], tied, 4) == 0.5
    assert majority_at_k([False] * 4, [None] * 4, 4) == 0
    # groups of two in their order: (7, 8) is a tie, (8, 9) is wrong; a rest that fills no group is left out
    five = ["7", "8", "8", "9", "7"]
    assert majority_at_k([right[vote] for vote in five], five, 2) == 0.25


def test_the_interval_holds_what_it_says_over_problems_that_are_drawn():
    """Of 95 % intervals about 95 % hold the rate of all problems, though the answers to one problem are alike."""
    rng = np.random.default_rng(0)
    held, naive, studies, problems, samples = 0, 0, 2000, 40, 8
    for _ in range(studies):
        chance = rng.beta(0.4, 0.6, problems)  # most problems are nearly always or nearly never solved: the mean is .4
        rates = rng.binomial(samples, chance) / samples
        interval = clustered(rates, samples)
        held += interval.low <= 0.4 <= interval.high
        spread = 1.96 * math.sqrt(interval.mean * (1 - interval.mean) / (problems * samples))
        naive += abs(interval.mean - 0.4) <= spread
    assert 0.93 < held / studies < 0.97
    assert naive / studies < 0.75


def test_the_interval_is_about_two_standard_errors_of_the_problems():
    rates = np.tile([0.0, 0.5, 1.0], 100)
    interval = clustered(rates, 4)
    error = rates.std(ddof=1) / math.sqrt(300)
    assert interval.mean == 0.5
    assert (interval.high - interval.low) / 2 == pytest.approx(1.968 * error, rel=0.02)


def test_the_interval_does_not_collapse_at_the_ends():
    perfect = clustered([1.0] * 30, 4)
    assert perfect.high == 1
    assert 0.8 < perfect.low < 0.95
    assert clustered([0.0] * 30, 4).high == pytest.approx(1 - perfect.low)
    assert clustered([0.5], 4) == clustered([0.5], 8) != clustered([0.5, 0.5], 4)
    assert (clustered([0.3], 4).low, clustered([0.3], 4).high) == (0, 1)


def test_pass_at_1_is_the_mean_over_problems_of_the_mean_over_samples():
    found = score([answers([True, True, False, False]), answers([True] * 4)], 4)
    assert found["pass_at_1"] == 0.75
    assert found["pass_at_1_low"] < 0.75 < found["pass_at_1_high"]
    assert found["pass_at_2"] == pytest.approx((1 - 1 / 6 + 1) / 2)
    assert found["pass_at_4"] == 1
    assert found["maj_at_4"] == (0.5 + 1) / 2
    assert (found["problems"], found["samples"], found["response_tokens"]) == (2, 4, 10)


def test_what_nobody_can_judge_is_neither_right_nor_wrong():
    found = score([answers([True, False]), answers([None, None])], 2)
    assert (found["pass_at_1"], found["unjudged"], found["problems"]) == (0.5, 1, 2)
    assert "pass_at_1" not in score([answers([None, None])], 2)


def test_results_by_task_and_difficulty():
    found = breakdown(
        [answers([True], difficulty=1), answers([False], difficulty=2), answers([True], task="code", vote=[None])], 1
    )
    assert {task: {level: part["pass_at_1"] for level, part in levels.items()} for task, levels in found.items()} == {
        "code": {"all": 1},
        "sums": {"all": 0.5, "1": 1, "2": 0},
    }
    many = [answers([i % 2 == 0], difficulty=i) for i in range(100)]
    levels = breakdown(many, 1)["sums"]
    assert len(levels) == 11
    assert levels["0 to 9"]["problems"] == 10


def test_ks():
    assert [ks(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_rows_are_grouped_by_problem():
    told = {"task": "sums", "difficulty": 1.0, "kind": "exact", "tokens": 3, "finished": True}
    rows = [{**told, "problem_id": p, "completion": c, "verified": c == "1"} for p, c in [("a", "1"), ("a", "2"), ("b", "1")]]
    votes = lambda several: [row["completion"] for row in several]  # noqa: E731
    first, second = grouped(rows, votes, formatted=lambda text: text == "2", reasoned=str.isalpha)
    assert (first.right, first.vote, first.formatted) == ([True, False], ["1", "2"], [False, True])
    assert first.reasoned == [False, False]
    assert second.right == [True]


def test_each_of_several_tasks_has_its_pass_rate():
    parts = {
        "sums": {"all": {"pass_at_1": 0.5}},
        "number theory": {"all": {"pass_at_1": 0.25}},
        "code": {"all": {"unjudged": 2}},
    }
    assert task_rates(parts) == {"pass_at_1_sums": 0.5, "pass_at_1_number_theory": 0.25}
    assert task_rates({"sums": parts["sums"]}) == task_rates({f"{i}": parts["sums"] for i in range(21)}) == {}
