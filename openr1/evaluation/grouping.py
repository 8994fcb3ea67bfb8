"""Graded answers, grouped by problem, with what the metrics need to know of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openr1.data.readability import readability
from openr1.data.tasks.base import Problem
from openr1.evaluation import metrics
from openr1.evaluation.grading import votes
from openr1.rewards import Sample
from openr1.rewards.format import TagOptions, format_
from openr1.rewards.parsing import has_reasoning


def follows_template(completion: str, opened: bool = False) -> bool:
    """Tell whether a completion keeps to R1-Zero's template.

    :param opened: the prompt ended with ``<think>``; the completions that this project keeps have the tag already.
    """
    return format_.function([Sample(Problem("", ""), completion)], TagOptions(opened))[0] == 1


def grouped(rows: Iterable[Mapping[str, Any]]) -> Iterator[metrics.Answers]:
    """Yield the answers of each problem, from rows with verdicts."""
    return metrics.grouped(rows, votes, follows_template, has_reasoning, lambda completion: readability(completion).score)
