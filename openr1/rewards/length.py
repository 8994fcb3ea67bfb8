"""Rewards of length, in tokens if those of all samples of the prompt were counted, otherwise in characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from openr1.options.ranges import Count
from openr1.rewards.base import NoOptions, Sample, measure_lengths, reward
from openr1.rewards.correctness import verify


@dataclass
class CosineOptions:
    """Options of ``cosine``: values at length 0 and from ``max_length`` on. The defaults are those of open-r1."""

    correct_short: Annotated[float, Interval(ge=-1e6, le=1e6)] = 1.0
    correct_long: Annotated[float, Interval(ge=-1e6, le=1e6)] = 0.5
    wrong_short: Annotated[float, Interval(ge=-1e6, le=1e6)] = -1.0
    wrong_long: Annotated[float, Interval(ge=-1e6, le=1e6)] = -0.5
    max_length: Count = 1000


@dataclass
class OverlongOptions:
    """Options of ``soft_overlong_punishment``, in tokens. The defaults are those of DAPO."""

    max_length: Count = 20_480
    cache: Count = 4_096  # the penalty starts this many tokens before max_length

    def __post_init__(self) -> None:
        if self.cache > self.max_length:
            raise ValueError(f"cache: must be at most max_length={self.max_length}, not {self.cache}")


@reward(NoOptions, group=True, needs="verdict")
def length(samples: Sequence[Sample], _: NoOptions) -> list[float | None]:
    """Return Kimi k1.5's v for a right answer and min(0, v) for a wrong one, with ``v = 0.5 - (len - min) / (max - min)``.

    min and max are taken over the prompt's samples; if all are equally long, v is 0 (arXiv 2501.12599, section 2.3.3).
    """
    sizes = measure_lengths(samples)
    low, high = min(sizes), max(sizes)
    values: list[float | None] = []
    for sample, size in zip(samples, sizes, strict=True):
        correct = verify(sample)
        value = 0.5 - (size - low) / (high - low) if high > low else 0.0
        values.append(None if correct is None else value if correct else min(0.0, value))
    return values


@reward(CosineOptions, needs="verdict")
def cosine(samples: Sequence[Sample], options: CosineOptions) -> list[float | None]:
    """Return half a cosine in length, from one value to another; right and wrong have their own (arXiv 2502.03373, section 3).

    From ``max_length`` on the value is constant: the cosine is periodic, the reward is not.
    """
    values: list[float | None] = []
    for sample in samples:
        correct = verify(sample)
        if correct is None:
            values.append(None)
            continue
        short, long = (options.correct_short, options.correct_long) if correct else (options.wrong_short, options.wrong_long)
        progress = min(1.0, measure_lengths([sample])[0] / options.max_length)
        values.append(long + 0.5 * (short - long) * (1 + math.cos(math.pi * progress)))
    return values


@reward(OverlongOptions)
def soft_overlong_punishment(samples: Sequence[Sample], options: OverlongOptions) -> list[float | None]:
    """Return 0 up to ``max_length - cache`` tokens, then linearly less, and -1 from ``max_length`` on.

    It is equation 13 of DAPO (arXiv 2503.14476). None if tokens were not counted, since the limit is one of tokens.
    """
    start = options.max_length - options.cache
    over = [None if sample.tokens is None else (sample.tokens - start) / options.cache for sample in samples]
    return [None if share is None else -min(1.0, max(0.0, share)) for share in over]
