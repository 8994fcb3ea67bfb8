"""The labelled answers are judged as they are labelled, and hostile ones take no more than their time."""

import pytest
from helpers.verdict_cases import hostile, labelled

from openr1.rewards import Problem, RewardConfig, Sample, Scorer, TermConfig, verify

JUDGED = 0.98  # share of the labelled answers that must have the verdict of their label; no wrong one may be right


def judged(case, kind):
    return verify(Sample(Problem(case.get("prompt", ""), case["gold"], kind=kind), case["completion"]))


@pytest.mark.parametrize("kind", ["math", "choice", "exact"])
def test_labelled_answers_have_the_verdict_of_their_label(kind):
    pairs = [(case, judged(case, kind)) for case in labelled(kind)]
    other = [(case["gold"], case["completion"], verdict) for case, verdict in pairs if verdict is not case["right"]]
    assert not [case for case in other if case[2]]
    assert len(other) <= (1 - JUDGED) * len(pairs), other


@pytest.mark.slow
def test_answers_sought_where_a_verdict_might_be_wrong():
    """No wrong answer is right; of right ones some are in forms that are not read."""
    pairs = [(case, judged(case, "math")) for case in labelled("adversarial")]
    assert not [(case["gold"], case["completion"]) for case, verdict in pairs if verdict and case["right"] is not True]
    assert sum(verdict is case["right"] for case, verdict in pairs) >= 0.9 * len(pairs)


@pytest.mark.slow
def test_hostile_answers_are_wrong_and_take_no_more_than_their_time():
    cases = hostile()
    with Scorer(RewardConfig({"accuracy": TermConfig()}, time_limit=5.0)) as scorer:
        samples = [[Sample(Problem("q", case["gold"], kind="math"), case["completion"])] for case in cases]
        scores = [score for [score] in scorer.score(samples)]
    assert not [case["why"] for case, score in zip(cases, scores, strict=True) if score.correct]
    # what is too long, too deep or too large is not even tried
    assert not [case["why"] for case, score in zip(cases, scores, strict=True) if score.errors]
