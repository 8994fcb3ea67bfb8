"""Rewards of form: what a completion looks like, whatever it answers.

A chat template that ends with ``<think>`` leaves that tag out of the completion. Engines of this project give it back.
``opened: true`` does so for completions that were made elsewhere, and changes none that begins with the tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from openr1.data.prefill import whole
from openr1.rewards.base import Sample, reward
from openr1.rewards.fences import fenced
from openr1.rewards.parsing import TAGS, answered

WHOLE = re.compile(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)
MARKERS = r"Step \d+:|^\s*\d+\.\s|^\s*[-*]\s|\b(?:First|Second|Third|Next|Then|Finally),"


@dataclass
class TagOptions:
    opened: bool = False  # the prompt already ends with <think>


@dataclass
class StepOptions:
    markers: str = MARKERS  # regular expression, ^ at the start of every line
    enough: int = 3  # so many markers are worth 1

    def __post_init__(self) -> None:
        if self.enough < 1:
            raise ValueError("enough: must be at least 1")
        try:
            re.compile(self.markers)
        except re.error as error:
            raise ValueError(f"markers: is no regular expression: {error}") from error


@dataclass
class CodeFormatOptions:
    language: str = "python"
    opened: bool = False


def _well_formed(text: str) -> bool:
    parts = WHOLE.fullmatch(text)
    return parts is not None and all(map(str.strip, parts.groups())) and all(text.count(tag) == 1 for tag in TAGS)


@reward(TagOptions)
def format_(samples: Sequence[Sample], options: TagOptions) -> list[float | None]:
    """1 if the whole completion is one ``<think>…</think>``, then one ``<answer>…</answer>`` and nothing else; otherwise 0.

    Neither may be empty.
    """
    return [float(_well_formed(whole(sample.completion, options.opened))) for sample in samples]


@reward(TagOptions)
def tag_count(samples: Sequence[Sample], options: TagOptions) -> list[float | None]:
    """A quarter for each of the four tags that is there exactly once."""
    texts = [whole(sample.completion, options.opened) for sample in samples]
    return [sum(text.count(tag) == 1 for tag in TAGS) / len(TAGS) for text in texts]


@reward(StepOptions)
def reasoning_steps(samples: Sequence[Sample], options: StepOptions) -> list[float | None]:
    """The number of step markers over ``enough``, at most 1."""
    found = [len(re.findall(options.markers, sample.completion, re.MULTILINE)) for sample in samples]
    return [min(1.0, count / options.enough) for count in found]


@reward(CodeFormatOptions)
def code_format(samples: Sequence[Sample], options: CodeFormatOptions) -> list[float | None]:
    """1 if the completion is well formed as for ``format`` and its answer has a fenced block of the language; otherwise 0."""
    texts = [whole(sample.completion, options.opened) for sample in samples]
    return [float(_well_formed(text) and bool(fenced(answered(text) or "", options.language))) for text in texts]
