"""The reward of readability: one alphabet, a step a line, a closing summary, no repetition, no needless length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openr1.data.readability import LONGEST
from openr1.data.readability import readability as measure
from openr1.options.ranges import Count
from openr1.rewards.base import Sample, reward


@dataclass
class ReadabilityOptions:
    """Options of ``readability``."""

    longest: Count = LONGEST  # characters that a completion may have before its length counts against it


@reward(ReadabilityOptions)
def readability(samples: Sequence[Sample], options: ReadabilityOptions) -> list[float | None]:
    """Return the mean of the five parts of :class:`openr1.data.readability.Readability`, in [0, 1].

    It says nothing about whether the answer is right, so it belongs beside a term that does.
    """
    return [measure(sample.completion, options.longest).score for sample in samples]
