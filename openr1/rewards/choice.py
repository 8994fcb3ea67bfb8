"""The verdict on an answer to a multiple choice: which letter it gives."""

from __future__ import annotations

import re

from openr1.rewards.base import Sample, Verdict
from openr1.rewards.parts import conclusion

CHOICE = re.compile(r"\(?([A-Z])(?:[).:,]|\s*$)")  # a letter alone, or set off from its text
BOXED = re.compile(r"\\boxed\{\s*(?:\\(?:text|mathrm|textbf|mathbf)\{)?\s*\(?([A-Z])\)?\s*\}")
SAID = re.compile(r"\b[Aa]nswer(?: is)?:?[\s*]*\(?([A-Z])(?=[).:,;*]|\s*$)", re.MULTILINE)


def check(sample: Sample) -> Verdict:
    """Compare the letter that a sample gives with the gold letter; no verdict where the gold answer is no letter."""
    gold = sample.problem.answer.strip().strip("()").upper()
    if not re.fullmatch(r"[A-Z]", gold):
        return Verdict()
    text = conclusion(sample.completion)
    return Verdict(text is not None and letter(text) == gold)


def letter(text: str) -> str | None:
    """The letter of a conclusion: the last one boxed, else said to be the answer, else with which the text begins."""
    found = BOXED.findall(text) or SAID.findall(text)
    if not found and (first := CHOICE.match(text)):
        found = [first.group(1)]
    return found[-1] if found else None
