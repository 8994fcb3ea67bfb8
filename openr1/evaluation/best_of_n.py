"""Best of n: the pass rate of the answer that a reward prefers among n, without bias, and the scores that it needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from openr1.evaluation.grading import row_sample
from openr1.rewards.rater import Rater
from openr1.system.records import read_sealed, write_sealed

FILE = "best_of_n.csv"


def best_of_n(right: Sequence[bool], score: Sequence[float | None], n: int) -> float:
    """Return the probability that the answer with the highest score among n, drawn without replacement, is right.

    With the N answers in ascending order of their scores, the i-th is the best of n in C(i - 1, n - 1) of the C(N, n) subsets,
    so that the mean over all subsets is

        sum over i from n to N of  right_i C(i - 1, n - 1) / C(N, n)

    It is unbiased for problems with N >= n answers, as pass@k is (the estimator of best-of-n sampling in arXiv 2112.09332,
    appendix I, and arXiv 2210.10760, section 2). Among answers with equal scores one is chosen at random: each of them has the
    mean weight of their ranks. Answers without a score rank below all others, and are equal among themselves.

    >>> best_of_n([True, False, False, True], [0.1, 0.2, 0.3, 0.9], 2)  # the last wins three pairs of six, the first none
    0.5
    """
    total = len(right)
    if not 1 <= n <= total:
        raise ValueError(f"best of {n} needs at least {n} answers; there are {total}")
    ranked = sorted(((-math.inf if value is None else value, correct) for value, correct in zip(score, right, strict=True)))
    chance, start = 0.0, 0
    while start < total:
        end = start + 1
        while end < total and ranked[end][0] == ranked[start][0]:
            end += 1
        # the subsets whose best is among ranks start + 1 to end: those within the first `end` less those within `start`
        wins = (math.comb(end, n) - math.comb(start, n)) / math.comb(total, n)
        chance += wins * sum(correct for _, correct in ranked[start:end]) / (end - start)
        start = end
    return chance


def add_scores(
    shards: Iterable[list[dict[str, Any]]], rater: Rater, folder: Path, spent: list[float]
) -> Iterator[list[dict[str, Any]]]:
    """Yield the shards with the score of each row, which is null without one. Scores are saved shard by shard.

    :param spent: gets the FLOPs of scoring each shard.
    """
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(shards):
        file = folder / f"{number:06}-scores.json"
        groups: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            row["score"] = None
            if row["completion"] is not None:
                groups.setdefault(row["problem_id"], []).append(row)
        if (kept := read_sealed(file)) is None:
            before = rater.flops
            rated = rater.rate([[row_sample(row) for row in group] for group in groups.values()])
            scores = [None if isinstance(score, str) else score for group in rated for score in group]
            write_sealed(file, kept := {"scores": scores, "flops": rater.flops - before})
        spent.append(kept["flops"])
        scored = (row for group in groups.values() for row in group)
        for row, score in zip(scored, kept["scores"], strict=True):
            row["score"] = score
        yield rows


def curve(scores: dict[str, float], ns: Sequence[int]) -> list[tuple[int, list[float | None]]]:
    """Return for each n: n, and pass@n, maj@n and the best of n; None where a metric is not known."""
    first = {name: scores["pass_at_1"] for name in ("maj_at_1", "best_of_1") if "pass_at_1" in scores}
    known = first | scores  # of one answer, all three are its pass rate
    return [(n, [known.get(f"{name}_{n}") for name in ("pass_at", "maj_at", "best_of")]) for n in ns]


def curve_markdown(scores: dict[str, float], ns: Sequence[int]) -> list[str]:
    """Return the lines of a table of :func:`curve`."""
    lines = ["| n | pass@n | maj@n | best of n |", "|---:|---:|---:|---:|"]
    for n, cells in curve(scores, ns):
        lines.append(f"| {n} | " + " | ".join("" if cell is None else f"{cell:.3f}" for cell in cells) + " |")
    return lines


def curve_csv(scores: dict[str, float], ns: Sequence[int]) -> str:
    """Return :func:`curve` as a table that ``openr1-fit law=pass_at_k`` reads: k, coverage, majority, best_of_n."""
    lines = ["k,coverage,majority,best_of_n"]
    for n, cells in curve(scores, ns):
        lines.append(f"{n}," + ",".join("" if cell is None else repr(cell) for cell in cells))
    return "\n".join(lines) + "\n"
