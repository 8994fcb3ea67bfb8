"""Rewards of the form of a completion, whatever it answers.

If a chat template ends with ``<think>``, the model does not write that tag. The engines of this project add it to the
completion; ``opened: true`` adds it to completions from elsewhere, unless they begin with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from openr1.data.prefill import with_opened_tag
from openr1.options.ranges import Count
from openr1.rewards.base import Sample, reward
from openr1.rewards.fences import find_blocks
from openr1.rewards.mathematics.markup import INVISIBLE
from openr1.rewards.parsing import TAGS, extract_raw_answer

WHOLE = re.compile(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)
MARKERS = r"Step \d+:|^\s*\d+\.\s|^\s*[-*]\s|\b(?:First|Second|Third|Next|Then|Finally),"


@dataclass
class TagOptions:
    """Options of ``format`` and ``tag_count``."""

    opened: bool = False  # the prompt ends with <think>


@dataclass
class StepOptions:
    """Options of ``reasoning_steps``."""

    markers: str = MARKERS  # regular expression, ^ at the start of every line
    enough: Count = 3  # number of markers that is worth 1

    def __post_init__(self) -> None:
        try:
            re.compile(self.markers)
        except re.error as error:
            raise ValueError(f"markers: not a regular expression: {error}") from error


@dataclass
class CodeFormatOptions:
    """Options of ``code_format``."""

    language: str = "python"
    opened: bool = False


def _is_well_formed(text: str) -> bool:
    parts = WHOLE.fullmatch(INVISIBLE.sub("", text))
    return parts is not None and all(map(str.strip, parts.groups())) and all(text.count(tag) == 1 for tag in TAGS)


@reward(TagOptions)
def format_(samples: Sequence[Sample], options: TagOptions) -> list[float | None]:
    """Return 1 if a completion is one ``<think>…</think>``, then one ``<answer>…</answer>``, and nothing else; otherwise 0.

    Neither may be empty.
    """
    return [float(_is_well_formed(with_opened_tag(sample.completion, options.opened))) for sample in samples]


@reward(TagOptions)
def tag_count(samples: Sequence[Sample], options: TagOptions) -> list[float | None]:
    """Return a quarter for each of the four tags that occurs exactly once."""
    texts = [with_opened_tag(sample.completion, options.opened) for sample in samples]
    return [sum(text.count(tag) == 1 for tag in TAGS) / len(TAGS) for text in texts]


@reward(StepOptions)
def reasoning_steps(samples: Sequence[Sample], options: StepOptions) -> list[float | None]:
    """Return the number of step markers over ``enough``, at most 1."""
    counts = [len(re.findall(options.markers, sample.completion, re.MULTILINE)) for sample in samples]
    return [min(1.0, count / options.enough) for count in counts]


@reward(CodeFormatOptions)
def code_format(samples: Sequence[Sample], options: CodeFormatOptions) -> list[float | None]:
    """Return 1 if a completion has the form of ``format`` and its answer a fenced block of the language; otherwise 0."""
    texts = [with_opened_tag(sample.completion, options.opened) for sample in samples]
    answers = [extract_raw_answer(text) or "" if _is_well_formed(text) else "" for text in texts]
    return [float(bool(find_blocks(answer, options.language))) for answer in answers]
