"""Grading of answers by :mod:`openr1.rewards`, in processes that can be killed, and votes in which equal answers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from openr1.data.answers import PROBLEM_COLUMNS, SAMPLE_COLUMNS, problem_of
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig, choice
from openr1.rewards.base import sample_of
from openr1.rewards.mathematics import vote_classes
from openr1.rewards.parsing import extract_conclusion

RIGHT = "\0right"  # the vote of every right answer in mathematics, since answers equal to the gold answer are equal


class Grader:
    """A judge of samples: returns for each whether it is right, or the reason why there is no verdict. A context manager."""

    def __init__(self, config: RewardConfig) -> None:
        """Start without processes; a missing sandbox is a ConfigError once a program is to be run."""
        self.scorer = Scorer(replace(config, terms={"accuracy": TermConfig()}, by_task={}))

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.scorer.close()

    def __call__(self, samples: Sequence[Sample]) -> list[bool | str | None]:
        scores = [group[0] for group in self.scorer.score([[sample] for sample in samples])]
        return [score.reason if score.correct is None else score.correct for score in scores]


def row_sample(row: Mapping[str, Any]) -> Sample:
    """Return the sample of a row of a table of answers, as the rewards take it."""
    problem = problem_of(*(row[column] for column in PROBLEM_COLUMNS))
    return sample_of(problem, *(row[column] for column in SAMPLE_COLUMNS))


def votes(rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Return the votes of the answers to one problem: equal answers are equal votes.

    In mathematics all right answers are one vote, and equal wrong answers are one vote in any notation. Rows without an answer
    have no vote; neither have programs, which cannot be compared.
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
