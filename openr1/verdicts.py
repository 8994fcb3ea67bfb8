"""Whether answers are right, by :mod:`openr1.rewards`: in processes that can be killed, with the time limit of ``reward=``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig, choice
from openr1.rewards.parts import conclusion

IN_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
RIGHT = "\0right"  # the vote of every right answer in mathematics: what is equal to the gold answer is equal to one another


class Judge:
    """A context manager, callable with samples; gives for each whether it is right, or why nobody can say."""

    def __init__(self, config: RewardConfig) -> None:
        """:raises ConfigError: where programs are to be run and there is no sandbox, once one is to be."""
        self.scorer = Scorer(replace(config, terms={"accuracy": TermConfig()}))

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self.scorer.close()

    def __call__(self, samples: Sequence[Sample]) -> list[bool | str | None]:
        scores = [group[0] for group in self.scorer.score([[sample] for sample in samples])]
        return [score.errors.get("verdict") if score.correct is None else score.correct for score in scores]


def vote(row: Mapping[str, Any]) -> str | None:
    """The answer of a row of :mod:`openr1.answers` as a majority counts it.

    Two answers are one if they are the same text, and in mathematics also if both are right. None where there is no answer, and
    for programs, which no majority compares.
    """
    kind, text = row["kind"], conclusion(row["completion"] or "")
    if not text or kind == "code":
        return None
    if kind == "choice":
        return choice.letter(text)
    if kind == "math":
        if row["verified"]:
            return RIGHT
        boxed = IN_BOX.findall(text)
        return "".join((boxed[-1] if boxed else text).split())
    return " ".join(text.split())
