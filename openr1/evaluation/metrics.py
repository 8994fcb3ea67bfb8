"""Metrics of a model's answers: pass@1 with its interval, pass@k, maj@k, best of n and lengths, by task and difficulty.

All metrics follow from one table with a row per answer, which an evaluation stores, so that others can be computed later.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from openr1.evaluation.best_of_n import best_of_n

LEVEL = 0.95
DIFFICULTIES = 10  # maximum number of rows by difficulty of a task; more values are binned


@dataclass(frozen=True)
class Answers:
    """The graded answers to one problem. Lists have one entry per sample."""

    task: str
    difficulty: float | None
    right: list[bool | None]  # None without a verdict
    vote: list[str | None]  # the answer as a vote of the majority; None without an answer
    formatted: list[bool]
    tokens: list[int | None]
    finished: list[bool]
    reasoned: list[bool]  # reasons before the answer
    readability: list[float] = field(default_factory=list)  # score of each answer, in [0, 1]; empty if it was not measured
    score: list[float | None] | None = None  # by the reward that chooses the best of n; None if there is no such reward

    @property
    def graded(self) -> list[bool]:
        """The verdicts, without samples that have none."""
        return [right for right in self.right if right is not None]


@dataclass(frozen=True)
class Interval:
    """A mean with the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def grouped(
    rows: Iterable[Mapping[str, Any]],
    votes: Callable[[Sequence[Mapping[str, Any]]], list[str | None]],
    formatted: Callable[[str], bool],
    reasoned: Callable[[str], bool],
    readable: Callable[[str], float] | None = None,
) -> Iterator[Answers]:
    """Group answers by problem.

    :param rows: rows in the order of the problems, with the columns of :mod:`openr1.data.answers`.
    :param votes: function from the rows of one problem to votes of a majority: equal answers are equal, None is no answer.
    :param formatted: tells whether a completion keeps to the format.
    :param reasoned: tells whether a completion reasons before it answers.
    :param readable: function from a completion to the score of its readability; None not to measure it.
    """
    for _, group in groupby(rows, key=lambda row: row["problem_id"]):
        samples = list(group)
        yield Answers(
            samples[0]["task"] or "",
            samples[0]["difficulty"],
            [row["verified"] for row in samples],
            votes(samples),
            [formatted(row["completion"] or "") for row in samples],
            [row["tokens"] for row in samples],
            [bool(row["finished"]) for row in samples],
            [reasoned(row["completion"] or "") for row in samples],
            [readable(row["completion"] or "") for row in samples] if readable else [],
            [row["score"] for row in samples] if "score" in samples[0] else None,
        )


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Return the probability that one or more of k answers, drawn without replacement, are right: 1 - C(n-c, k) / C(n, k).

    It is unbiased (arXiv 2107.03374, eq. 1), unlike 1 - (1 - c/n)^k.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} needs at least {k} samples; there are {samples}")
    return 1.0 - math.prod(1.0 - k / i for i in range(samples - right + 1, samples + 1))


def majority_at_k(right: Sequence[bool], vote: Sequence[str | None], k: int) -> float:
    """Return how often the most frequent of k answers is right: the mean over disjoint groups of k consecutive samples.

    Samples without an answer have no vote. Equally frequent answers have equal weight.

    :param vote: votes that are equal for equal answers in any notation (:func:`openr1.evaluation.grading.votes`).
    """
    groups = [range(start, start + k) for start in range(0, len(vote) - k + 1, k)]
    return sum(_majority([(vote[i], right[i]) for i in group]) for group in groups) / len(groups)


def _majority(ballots: Sequence[tuple[str | None, bool]]) -> float:
    counts = Counter(vote for vote, _ in ballots if vote is not None)
    if not counts:
        return 0.0
    most = max(counts.values())
    tied = [vote for vote, count in counts.items() if count == most]
    return sum(any(right for vote, right in ballots if vote == winner) for winner in tied) / len(tied)


def clustered(rates: Sequence[float], samples: int) -> Interval:
    """Return the mean pass rate with its 95 % interval, for problems drawn at random.

    The answers to one problem are correlated, so the standard error is that of the problems' means, s / sqrt(P), for any number
    of samples. The interval is Wilson's for a proportion with the effective sample size p (1 - p) / se^2 and Student's t of
    P - 1 degrees of freedom, so that it stays between 0 and 1 and does not collapse where every answer is right (Korn and
    Graubard 1998; Franco et al. 2019, on proportions from clustered samples).

    :param rates: share of right answers of each problem, shape ``(P,)``.
    :param samples: answers per problem.
    """
    from scipy.stats import t

    values = np.asarray(rates, dtype=float)
    count, mean = len(values), float(values.mean())
    if count == 1:
        return Interval(mean, 0.0, 1.0)
    error = float(values.std(ddof=1)) / math.sqrt(count)
    spread = mean * (1 - mean)
    size = min(spread / error**2, count * samples) if error > 0 else float(count if spread == 0 else count * samples)
    z2 = float(t.ppf((1 + LEVEL) / 2, count - 1)) ** 2
    centre, half = mean + z2 / (2 * size), math.sqrt(z2 * spread / size + (z2 / (2 * size)) ** 2)
    low, high = (centre - half) / (1 + z2 / size), (centre + half) / (1 + z2 / size)
    return Interval(mean, max(0.0, float(low)), min(1.0, float(high)))


def ks(samples: int) -> list[int]:
    """Return 1, 2, 4, ... and the number of samples."""
    return sorted({2**i for i in range(samples.bit_length())} | {samples})


def score(answers: Sequence[Answers], samples: int) -> dict[str, float]:
    """Return the metrics of a set of problems, by the names of :mod:`openr1.tracking.mlflow`.

    Problems without any verdict are left out of all rates and counted as ``unjudged``: neither right nor wrong.

    :param samples: answers of every problem.
    """
    graded = [problem for problem in answers if problem.graded]
    metrics: dict[str, float] = {"problems": len(answers), "unjudged": len(answers) - len(graded), "samples": samples}
    tokens = [count for problem in answers for count in problem.tokens if count is not None]
    metrics["format_rate"] = _mean([value for problem in answers for value in problem.formatted])
    metrics["reasoned_rate"] = _mean([value for problem in answers for value in problem.reasoned])
    metrics["finished_rate"] = _mean([value for problem in answers for value in problem.finished])
    readable = [value for problem in answers for value in problem.readability]
    if readable:
        metrics["readability"] = _mean(readable)
    if tokens:
        metrics["response_tokens"] = _mean(tokens)
    if not graded:
        return metrics
    interval = clustered([_mean(problem.graded) for problem in graded], samples)
    metrics |= {"pass_at_1": interval.mean, "pass_at_1_low": interval.low, "pass_at_1_high": interval.high}
    for k in ks(samples)[1:]:
        sufficient = [problem.graded for problem in graded if len(problem.graded) >= k]
        if sufficient:
            metrics[f"pass_at_{k}"] = _mean([pass_at_k(len(verdicts), sum(verdicts), k) for verdicts in sufficient])
        voted = [
            problem for problem in graded if len(problem.graded) == samples and any(vote is not None for vote in problem.vote)
        ]
        if voted and len(voted) == len(graded):
            metrics[f"maj_at_{k}"] = _mean([majority_at_k(problem.graded, problem.vote, k) for problem in voted])
    return metrics | _preference(answers, graded, samples)


def _preference(answers: Sequence[Answers], graded: Sequence[Answers], samples: int) -> dict[str, float]:
    """Return ``best_of_N`` and ``mean_score``; nothing if no reward scored the answers."""
    metrics: dict[str, float] = {}
    known = [value for problem in answers for value in problem.score or () if value is not None]
    if known:
        metrics["mean_score"] = _mean(known)
    # an answer without a verdict cannot be chosen, since nobody knows whether it is right
    judged = [
        [(right, value) for right, value in zip(problem.right, problem.score, strict=True) if right is not None]
        for problem in graded
        if problem.score is not None
    ]
    for n in ks(samples)[1:]:
        if sufficient := [pairs for pairs in judged if len(pairs) >= n]:
            chances = [best_of_n([right for right, _ in pairs], [value for _, value in pairs], n) for pairs in sufficient]
            metrics[f"best_of_{n}"] = _mean(chances)
    return metrics


def breakdown(answers: Sequence[Answers], samples: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return :func:`score` by task, and within a task by difficulty: ``{task: {"all" or a difficulty: metrics}}``."""
    parts: dict[str, dict[str, dict[str, float]]] = {}
    for task in sorted({problem.task for problem in answers}):
        of_task = [problem for problem in answers if problem.task == task]
        parts[task] = {"all": score(of_task, samples)}
        levels = [(problem.difficulty, problem) for problem in of_task if problem.difficulty is not None]
        for name, low, high in _bins([level for level, _ in levels]):
            parts[task][name] = score([problem for level, problem in levels if low <= level <= high], samples)
    return parts


def _bins(values: Sequence[float]) -> list[tuple[str, float, float]]:
    """Return names and bounds of groups of difficulties: single values, or quantile bins of many values."""
    distinct = sorted(set(values))
    if len(distinct) <= DIFFICULTIES:
        return [(f"{value:g}", value, value) for value in distinct]
    parts = np.array_split(np.array(distinct), DIFFICULTIES)
    return [(f"{part[0]:g} to {part[-1]:g}", float(part[0]), float(part[-1])) for part in parts]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
