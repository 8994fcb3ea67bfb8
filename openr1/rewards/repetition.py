"""A penalty for repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from openr1.rewards.base import Sample, reward


@dataclass
class RepetitionOptions:
    """Options of ``repetition_penalty``."""

    ngram: Annotated[int, Interval(ge=1, le=1000)] = 3  # words
    penalty: Annotated[float, Interval(ge=-1e6, le=0)] = -1.0  # value of a completion that repeats one n-gram forever


@reward(RepetitionOptions)
def repetition_penalty(samples: Sequence[Sample], options: RepetitionOptions) -> list[float | None]:
    """Return ``(1 - unique n-grams / n-grams) x penalty`` (arXiv 2502.03373, appendix C.2); 0 for fewer words than ``ngram``.

    Words are those of :mod:`openr1.data.words`, which also splits scripts without spaces.
    """
    from openr1.data.words import split_words

    values: list[float | None] = []
    for words in split_words(sample.completion for sample in samples).lists():
        ngrams = list(zip(*(words[i:] for i in range(options.ngram)), strict=False))
        values.append((1 - len(set(ngrams)) / len(ngrams)) * options.penalty if ngrams else 0.0)
    return values
