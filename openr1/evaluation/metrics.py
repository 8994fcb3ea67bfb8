"""What a model's answers to problems come to: pass@1 with its interval, pass@k, maj@k, lengths, by task and difficulty.

All of it follows from one table, a row an answer, that an evaluation keeps: any other metric can be had from the same answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

LEVEL = 0.95
DIFFICULTIES = 10  # values of a task's difficulty that have rows of their own; more are put into so many bins


@dataclass(frozen=True)
class Answers:
    """The answers to one problem. Lists have one entry a sample."""

    task: str
    difficulty: float | None
    right: list[bool | None]  # None: nobody can say
    vote: list[str | None]  # what was answered, for the majority; None: no answer
    formatted: list[bool]
    tokens: list[int | None]
    finished: list[bool]
    reasoned: list[bool]  # there are thoughts before the answer

    @property
    def graded(self) -> list[bool]:
        return [right for right in self.right if right is not None]


@dataclass(frozen=True)
class Interval:
    mean: float
    low: float
    high: float


def grouped(
    rows: Iterable[Mapping[str, Any]],
    votes: Callable[[Sequence[Mapping[str, Any]]], list[str | None]],
    formatted: Callable[[str], bool],
    reasoned: Callable[[str], bool],
) -> Iterator[Answers]:
    """The answers by problem, from rows in the order of the problems.

    :param rows: with the columns of :mod:`openr1.engines.journal`, and ``verified``.
    :param votes: of the rows of one problem, the answers as a majority counts them: equal ones are equal, None is none.
    :param formatted: whether a completion keeps to the format.
    :param reasoned: whether a completion reasons before it answers.
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
        )


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that at least one of k answers, drawn without replacement, is right: ``1 - C(n - c, k) / C(n, k)``.

    It is unbiased (arXiv 2107.03374, eq. 1), as 1 - (1 - c/n)^k is not.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"pass@{k} needs at least {k} samples; there are {samples}")
    return 1.0 - math.prod(1.0 - k / i for i in range(samples - right + 1, samples + 1))


def majority_at_k(right: Sequence[bool], vote: Sequence[str | None], k: int) -> float:
    """How often the most frequent of k answers is right: the mean over the disjoint groups of k samples, in their order.

    Samples without an answer have no vote. Of answers that are equally frequent each counts with equal weight.

    :param vote: equal where answers are equal, in whatever form they are written (:func:`openr1.evaluation.grading.votes`).
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
    """The mean pass rate of problems with its 95 % interval, the problems being what is drawn.

    The answers to one problem are alike, so the standard error is that of the problems' means, s / sqrt(P), whatever the number
    of samples. The interval is Wilson's for a proportion with the effective sample size p (1 - p) / se^2 and Student's t of
    P - 1 degrees of freedom, so that it stays between 0 and 1 and does not collapse where every answer is right (Korn and
    Graubard 1998; Franco et al. 2019, on proportions from clustered samples).

    :param rates: share of right answers of each problem, shape ``(P,)``.
    :param samples: answers a problem.
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
    """1, 2, 4, ... and the number of samples."""
    return sorted({2**i for i in range(samples.bit_length())} | {samples})


def score(answers: Sequence[Answers], samples: int) -> dict[str, float]:
    """The figures of a set of problems, by the names of :mod:`openr1.tracking.mlflow`.

    Problems whose answers nobody can judge are left out of all rates and counted as ``unjudged``: neither right nor wrong.

    :param samples: answers a problem; every problem has so many.
    """
    graded = [one for one in answers if one.graded]
    found: dict[str, float] = {"problems": len(answers), "unjudged": len(answers) - len(graded), "samples": samples}
    tokens = [count for one in answers for count in one.tokens if count is not None]
    found["format_rate"] = _mean([value for one in answers for value in one.formatted])
    found["reasoned_rate"] = _mean([value for one in answers for value in one.reasoned])
    found["finished_rate"] = _mean([value for one in answers for value in one.finished])
    if tokens:
        found["response_tokens"] = _mean(tokens)
    if not graded:
        return found
    interval = clustered([_mean(one.graded) for one in graded], samples)
    found |= {"pass_at_1": interval.mean, "pass_at_1_low": interval.low, "pass_at_1_high": interval.high}
    for k in ks(samples)[1:]:
        whole = [one for one in graded if len(one.graded) >= k]
        if whole:
            found[f"pass_at_{k}"] = _mean([pass_at_k(len(one.graded), sum(one.graded), k) for one in whole])
        voted = [one for one in graded if len(one.graded) == samples and any(vote is not None for vote in one.vote)]
        if voted and len(voted) == len(graded):
            found[f"maj_at_{k}"] = _mean([majority_at_k(one.graded, one.vote, k) for one in voted])
    return found


def breakdown(answers: Sequence[Answers], samples: int) -> dict[str, dict[str, dict[str, float]]]:
    """:func:`score` by task, and within a task by difficulty: ``{task: {"all" or a difficulty: figures}}``."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for task in sorted({one.task for one in answers}):
        mine = [one for one in answers if one.task == task]
        found[task] = {"all": score(mine, samples)}
        levels = [one.difficulty for one in mine if one.difficulty is not None]
        for name, low, high in _levels(levels):
            found[task][name] = score(
                [one for one in mine if one.difficulty is not None and low <= one.difficulty <= high], samples
            )
    return found


def _levels(values: Sequence[float]) -> list[tuple[str, float, float]]:
    """Names and bounds of groups of difficulties: each value, or quantile bins of many."""
    distinct = sorted(set(values))
    if len(distinct) <= DIFFICULTIES:
        return [(f"{value:g}", value, value) for value in distinct]
    parts = np.array_split(np.array(distinct), DIFFICULTIES)
    return [(f"{part[0]:g} to {part[-1]:g}", float(part[0]), float(part[-1])) for part in parts]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
