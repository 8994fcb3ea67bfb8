"""The reward of a right answer."""

from __future__ import annotations

from collections.abc import Sequence

from openr1.rewards.base import NoOptions, Sample, reward
from openr1.rewards.correctness import verify


@reward(NoOptions, needs="verdict")
def accuracy(samples: Sequence[Sample], _: NoOptions) -> list[float | None]:
    """Return 1 for a right answer, 0 for a wrong one, None if the gold answer cannot be read."""
    verdicts = [verify(sample) for sample in samples]
    return [None if correct is None else float(correct) for correct in verdicts]
