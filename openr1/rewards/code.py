"""Rewards of programs. What is no code problem, or has no tests, has no value, so that they fit mixed data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openr1.rewards.base import NoOptions, Sample, Verified, reward
from openr1.rewards.correctness import check


@dataclass
class BinaryCodeOptions:
    threshold: float = 0.99  # share of the tests from which a program is worth 1

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ValueError("threshold: must be above 0 and at most 1")


def _share(sample: Sample) -> float | None:
    """Share of the tests that the program passes, each on the whole of what it printed."""
    tests = len(sample.problem.tests)
    if sample.problem.kind != "code" or not tests:
        return None
    verdict = sample.verdict if isinstance(sample, Verified) else check(sample, every=True)
    return None if verdict.passed is None else sum(verdict.passed) / tests


@reward(NoOptions, needs="tests")
def code(samples: Sequence[Sample], _: NoOptions) -> list[float | None]:
    """The share of the problem's tests that the program passes in the sandbox. A time-out fails its test and nothing else."""
    return [_share(sample) for sample in samples]


@reward(BinaryCodeOptions, needs="tests")
def binary_code(samples: Sequence[Sample], options: BinaryCodeOptions) -> list[float | None]:
    """1 if at least ``threshold`` of the tests pass; otherwise 0."""
    shares = [_share(sample) for sample in samples]
    return [None if share is None else float(share >= options.threshold) for share in shares]
