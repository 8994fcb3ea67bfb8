"""Grades answers by :mod:`openr1.rewards`, in processes that can be killed, and counts equal answers as one vote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from openr1.data.answers import PROBLEM_COLUMNS, SAMPLE_COLUMNS, problem_of
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig, choice
from openr1.rewards.base import sample_of
from openr1.rewards.mathematics import vote_classes
from openr1.rewards.parsing import extract_conclusion

RIGHT = "\0right"  # the vote of every right answer in mathematics: what is equal to the gold answer is equal to one another


class Grader:
    """A context manager, callable with samples; gives for each whether it is right, or why nobody can say."""

    def __init__(self, config: RewardConfig) -> None:
        """:raises ConfigError: where programs are to be run and there is no sandbox, once one is to be."""
        self.scorer = Scorer(replace(config, terms={"accuracy": TermConfig()}))

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.scorer.close()

    def __call__(self, samples: Sequence[Sample]) -> list[bool | str | None]:
        scores = [group[0] for group in self.scorer.score([[sample] for sample in samples])]
        return [score.reason if score.correct is None else score.correct for score in scores]


def row_sample(row: Mapping[str, Any]) -> Sample:
    """Make the sample of a row of a table of answers, as the rewards take it."""
    problem = problem_of(*(row[column] for column in PROBLEM_COLUMNS))
    return sample_of(problem, *(row[column] for column in SAMPLE_COLUMNS))


def votes(rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """The answers to one problem, as a majority counts them: equal answers are equal votes.

    In mathematics right answers are one vote, and wrong ones that are equal are one vote in whatever form they are written. A
    row without an answer has no vote; nor has a program, since no majority compares programs.
    """
    if rows and rows[0]["kind"] == "math":
        texts = [None if row["verified"] else extract_conclusion(row["completion"] or "") for row in rows]
        wrong = vote_classes(texts)
        return [RIGHT if row["verified"] else vote for row, vote in zip(rows, wrong, strict=True)]
    return [_vote(row) for row in rows]


def _vote(row: Mapping[str, Any]) -> str | None:
    kind, text = row["kind"], extract_conclusion(row["completion"] or "")
    if not text or kind == "code":
        return None
    return choice.read_letter(text) if kind == "choice" else " ".join(text.split())
