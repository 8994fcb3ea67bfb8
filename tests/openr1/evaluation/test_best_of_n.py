import itertools
import random

import pytest

from openr1.evaluation.best_of_n import add_scores, best_of_n, curve_csv, curve_markdown
from openr1.evaluation.metrics import Answers, score


def by_hand(right, scores, n):
    """The mean over all subsets, with ties broken at random."""
    values = [float("-inf") if value is None else value for value in scores]
    chances = []
    for subset in itertools.combinations(range(len(right)), n):
        best = max(values[i] for i in subset)
        tied = [right[i] for i in subset if values[i] == best]
        chances.append(sum(tied) / len(tied))
    return sum(chances) / len(chances)


def test_best_of_n_is_the_mean_over_all_subsets():
    rng = random.Random(0)
    for _ in range(200):
        total = rng.randint(1, 7)
        n = rng.randint(1, total)
        right = [rng.random() < 0.5 for _ in range(total)]
        scores = [rng.choice([None, 0.0, 1.0, 2.0]) for _ in range(total)]
        assert best_of_n(right, scores, n) == pytest.approx(by_hand(right, scores, n), abs=1e-12)


def test_best_of_n_is_between_the_worst_and_pass_at_n():
    right = [True, False, False, False]
    assert best_of_n(right, [9, 1, 2, 3], 4) == 1
    assert best_of_n(right, [0, 1, 2, 3], 4) == 0
    assert best_of_n(right, [9, 1, 2, 3], 2) == 0.5  # as pass@2: the scores know what is right
    assert best_of_n(right, [5, 5, 5, 5], 3) == best_of_n(right, [None] * 4, 3) == 0.25  # they know nothing
    with pytest.raises(ValueError, match="best of 5 needs at least 5 answers; there are 4"):
        best_of_n(right, [1] * 4, 5)


def test_best_of_n_of_many_answers_is_exact():
    right = [number % 2 == 1 for number in range(2000)]
    assert best_of_n(right, list(range(2000)), 1) == pytest.approx(0.5)
    assert 0.5 < best_of_n(right, list(range(2000)), 1000) <= 1


def of(right, scores):
    count = len(right)
    return Answers("t", None, right, [None] * count, [True] * count, [1] * count, [True] * count, [True] * count, score=scores)


def test_metrics_have_the_best_of_n_beside_pass_at_k():
    metrics = score([of([True, False, None, False], [1.0, 2.0, 3.0, None]), of([True] * 4, [0.0] * 4)], 4)
    assert metrics["best_of_2"] == pytest.approx((1 / 3 + 1) / 2)  # without the answer that has no verdict
    assert metrics["best_of_4"] == 1  # of the only problem with four verdicts
    assert metrics["mean_score"] == pytest.approx(6 / 7)
    assert not any(name.startswith("best") or name == "mean_score" for name in score([of([True, False], None)], 2))


def test_the_curve_is_a_table():
    scores = {"pass_at_1": 0.25, "pass_at_2": 0.5, "best_of_2": 0.375}
    assert curve_markdown(scores, [1, 2])[2:] == ["| 1 | 0.250 | 0.250 | 0.250 |", "| 2 | 0.500 |  | 0.375 |"]
    assert curve_csv(scores, [1, 2]) == "k,coverage,majority,best_of_n\n1,0.25,0.25,0.25\n2,0.5,,0.375\n"


def test_a_killed_evaluation_scores_no_shard_twice(tmp_path):
    class Rater:
        flops = 0.0

        def rate(self, groups):
            self.flops += 10
            return [[float(len(one.completion)) for one in group] for group in groups]

    def row(problem, text):
        keys = {"prompt": problem, "answer": "", "kind": "exact", "tests": [], "task": "", "difficulty": None, "tokens": 1}
        return {"problem_id": problem, **keys, "completion": text, "finished": True}

    def shards():
        return [[row("a", "1"), row("a", None), row("b", "22")], [row("c", "333")]]

    rater, spent = Rater(), []
    first = list(add_scores(shards(), rater, tmp_path, spent))
    assert [[one["score"] for one in shard] for shard in first] == [[1.0, None, 2.0], [3.0]]
    again, spent_again = Rater(), []
    assert list(add_scores(shards(), again, tmp_path, spent_again)) == first
    assert again.flops == 0
    assert spent_again == spent == [10.0, 10.0]
