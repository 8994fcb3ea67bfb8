"""Rewards of programs. A problem that is not code, or has no tests, has no value, so that data sets may be mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openr1.options.ranges import PositiveShare
from openr1.rewards.base import NoOptions, Sample, Verified, reward
from openr1.rewards.correctness import judge_answer


@dataclass
class BinaryCodeOptions:
    """Options of ``binary_code``."""

    threshold: PositiveShare = 0.99  # share of the tests that a program must pass


def _pass_share(sample: Sample) -> float | None:
    """Return the share of the tests that the program passes, each on the whole of its output."""
    tests = len(sample.problem.tests)
    if sample.problem.kind != "code" or not tests:
        return None
    verdict = sample.verdict if isinstance(sample, Verified) else judge_answer(sample, run_all=True)
    return None if verdict.passed is None else sum(verdict.passed) / tests


@reward(NoOptions, needs="tests")
def code(samples: Sequence[Sample], _: NoOptions) -> list[float | None]:
    """Return the share of the problem's tests that the program passes in the sandbox. A time-out fails its test only."""
    return [_pass_share(sample) for sample in samples]


@reward(BinaryCodeOptions, needs="tests")
def binary_code(samples: Sequence[Sample], options: BinaryCodeOptions) -> list[float | None]:
    """Return 1 if at least ``threshold`` of the tests pass; otherwise 0."""
    shares = [_pass_share(sample) for sample in samples]
    return [None if share is None else float(share >= options.threshold) for share in shares]
