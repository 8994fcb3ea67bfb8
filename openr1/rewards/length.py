"""Rewards of length. A length is in tokens where all samples of the prompt were counted, otherwise in characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from openr1.rewards.base import NoOptions, Sample, lengths, reward
from openr1.rewards.correctness import verify


@dataclass
class CosineOptions:
    """Values at length 0 and from ``max_length`` on; the defaults are those of open-r1."""

    correct_short: float = 1.0
    correct_long: float = 0.5
    wrong_short: float = -1.0
    wrong_long: float = -0.5
    max_length: int = 1000

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise ValueError("max_length: must be at least 1")


@dataclass
class OverlongOptions:
    """DAPO's lengths, in tokens."""

    max_length: int = 20_480
    cache: int = 4_096  # the penalty starts so many tokens before max_length

    def __post_init__(self) -> None:
        if not 0 < self.cache <= self.max_length:
            raise ValueError(f"cache: must be above 0 and at most max_length={self.max_length}")


@reward(NoOptions, group=True, needs="verdict")
def length(samples: Sequence[Sample], _: NoOptions) -> list[float | None]:
    """Kimi k1.5 (arXiv 2501.12599, section 2.3.3): ``v = 0.5 - (len - min) / (max - min)``; right: v, wrong: min(0, v).

    min and max are those of the prompt's samples. 0 for all of them where they are equally long.
    """
    sizes = lengths(samples)
    low, high = min(sizes), max(sizes)
    values: list[float | None] = []
    for sample, size in zip(samples, sizes, strict=True):
        correct = verify(sample)
        value = 0.5 - (size - low) / (high - low) if high > low else 0.0
        values.append(None if correct is None else value if correct else min(0.0, value))
    return values


@reward(CosineOptions, needs="verdict")
def cosine(samples: Sequence[Sample], options: CosineOptions) -> list[float | None]:
    """Half a cosine in length from one value to another, other values for right and wrong (arXiv 2502.03373, section 3).

    Past ``max_length`` the value stays where it is: the cosine is periodic, the reward is not.
    """
    values: list[float | None] = []
    for sample in samples:
        correct = verify(sample)
        if correct is None:
            values.append(None)
            continue
        short, long = (options.correct_short, options.correct_long) if correct else (options.wrong_short, options.wrong_long)
        progress = min(1.0, lengths([sample])[0] / options.max_length)
        values.append(long + 0.5 * (short - long) * (1 + math.cos(math.pi * progress)))
    return values


@reward(OverlongOptions)
def soft_overlong_punishment(samples: Sequence[Sample], options: OverlongOptions) -> list[float | None]:
    """DAPO (arXiv 2503.14476, equation 13): 0 up to ``max_length - cache`` tokens, linear to -1 at ``max_length``, -1 beyond.

    None for a sample whose tokens were not counted: characters are no measure of a limit in tokens.
    """
    start = options.max_length - options.cache
    over = [None if sample.tokens is None else (sample.tokens - start) / options.cache for sample in samples]
    return [None if share is None else -min(1.0, max(0.0, share)) for share in over]
