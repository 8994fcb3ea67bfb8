"""Rewards of length, and the mistakes that were made with them."""

import math

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import REWARDS, Sample, Verified
from openr1.rewards.base import Verdict

PROBLEM = Problem("1+1=", "2")


def sample(tokens, right=True, problem=PROBLEM):
    return Sample(problem, f"<answer>{2 if right else 3}</answer>", tokens)


def unknown(one):
    return Verified.of(one, Verdict())


def test_kimi_length():
    group = [sample(100), sample(150), sample(200), sample(100, False), sample(150, False), sample(200, False)]
    assert REWARDS["length"](group) == [0.5, 0, -0.5, 0, 0, -0.5]
    assert REWARDS["length"]([sample(100), sample(100, False)]) == [0, 0]


def test_length_is_measured_within_the_group():
    easy, hard = [sample(10), sample(20)], [sample(1000), sample(2000)]

    def over_the_batch(samples):
        low, high = 10, 2000
        return [0.5 - (one.tokens - low) / (high - low) for one in samples]

    assert REWARDS["length"](easy) == REWARDS["length"](hard) == [0.5, -0.5]
    assert over_the_batch(easy) != REWARDS["length"](easy)
    assert REWARDS["length"].group


def test_length_has_no_value_without_a_verdict():
    group = [sample(10), unknown(sample(20)), sample(30)]
    assert REWARDS["length"](group) == [0.5, None, -0.5]


def test_length_is_of_characters_unless_all_were_counted():
    short, long = Sample(PROBLEM, "<answer>2</answer>", 50), Sample(PROBLEM, "<think>so</think><answer>2</answer>", 40)
    assert REWARDS["length"]([short, long]) == [-0.5, 0.5]
    assert REWARDS["length"]([Sample(PROBLEM, short.completion), long]) == [0.5, -0.5]


def test_cosine_goes_from_one_value_to_another():
    right = REWARDS["cosine"]([sample(0), sample(500), sample(1000)])
    wrong = REWARDS["cosine"]([sample(0, False), sample(500, False), sample(1000, False)])
    assert right == pytest.approx([1, 0.75, 0.5])
    assert wrong == pytest.approx([-1, -0.75, -0.5])
    assert REWARDS["cosine"]([unknown(sample(5))]) == [None]


def test_cosine_stays_where_it_is_past_the_maximum():
    def periodic(tokens):
        return 0.5 + 0.25 * (1 + math.cos(math.pi * tokens / 1000))

    assert periodic(2000) == 1  # twice too long would be worth as much as nothing at all
    assert REWARDS["cosine"]([sample(2000), sample(10**6)]) == pytest.approx([0.5, 0.5])
    assert REWARDS["cosine"]([sample(2000, False)]) == pytest.approx([-0.5])


def test_soft_overlong_punishment():
    at = [0, 16_384, 17_408, 20_480, 20_481, 10**6]
    assert REWARDS["soft_overlong_punishment"]([sample(tokens) for tokens in at]) == [0, 0, -0.25, -1, -1, -1]
    assert REWARDS["soft_overlong_punishment"]([sample(95)], max_length=100, cache=10) == [-0.5]


def test_soft_overlong_punishment_is_of_tokens_only():
    assert REWARDS["soft_overlong_punishment"]([Sample(PROBLEM, "x" * 10**6)]) == [None]
