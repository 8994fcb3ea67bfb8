"""Rewards as functions of the completions of one prompt, with typed options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from openr1.data.tasks.base import Problem


@dataclass(frozen=True)
class Sample:
    """A completion of a problem's prompt."""

    problem: Problem
    completion: str
    tokens: int | None = None  # of the completion without its end token; None if they were not counted
    finished: bool = True  # it ended with the end token, not at the length limit


def sample_of(problem: Problem, completion: str, tokens: int | None, finished: bool | None) -> Sample:
    """Make the sample of a row, from its problem and its values of :data:`openr1.data.answers.SAMPLE_COLUMNS`."""
    return Sample(problem, completion, tokens, bool(finished))


VERDICTS = 3  # version of the verdicts, in the fingerprint of results; raised when answers are judged differently


class Verdict(NamedTuple):
    """The verdict on an answer, and how it was reached."""

    correct: bool | None = None  # None: no verdict
    passed: tuple[bool, ...] | None = None  # of a code problem: its tests in order; shorter if judging stopped early
    gold: str = ""  # how the gold answer was read
    answer: str = ""  # how the answer was read; empty without one
    step: str = ""  # the step that decided, or the reason why none could


def wrong_verdict(sample: Sample) -> Verdict:
    """Return the verdict on an answer that cannot be judged: wrong, and no test of a program passed."""
    return Verdict(False, (False,) * len(sample.problem.tests) or None)


@dataclass(frozen=True)
class Verified(Sample):
    """A sample with the verdict on its answer, so that several rewards share one verdict."""

    verdict: Verdict = field(default_factory=Verdict)

    @classmethod
    def of(cls, sample: Sample, verdict: Verdict) -> Verified:
        """Add a verdict to a sample."""
        return cls(sample.problem, sample.completion, sample.tokens, sample.finished, verdict)


@dataclass
class NoOptions:
    """Options of a reward that has none."""


@dataclass(frozen=True)
class Reward:
    """A reward, callable as ``reward(samples, **options) -> list[float | None]`` over the samples of ONE prompt.

    None stands for no value, so that a reward that cannot be computed is not mistaken for 0 or 1.
    """

    function: Callable[..., list[float | None]]
    options: type | None = None  # dataclass of the options, all with defaults; None for a function of free keywords
    group: bool = False  # a value depends on the other samples of the prompt
    needs: str | None = None  # "verdict": the verdict on the answer; "tests": the result of every test of a code problem
    # of a model-based reward: opens its model (openr1.rewards.model_based.ModelReward), given its options, the key where they
    # stand, and the folder of caches; such a reward is computed in the process of the scorer: its function is not called there
    opens: Callable[[Any, str, Path | None], Any] | None = None

    def __call__(self, samples: Sequence[Sample], **options: Any) -> list[float | None]:
        if self.options is None:
            return self.function(samples, **options)
        return self.function(samples, self.options(**options))


def reward(
    options: type | None = None, *, group: bool = False, needs: str | None = None
) -> Callable[[Callable[..., list[float | None]]], Reward]:
    """Make a function a reward. See :class:`Reward` for the arguments.

    A user's own function needs no decorator: a plain ``f(samples, **options)`` is called with all samples of a prompt.
    Decorated without ``group=True`` it is called with one sample at a time, so that a sample that hangs costs only its own
    value.
    """
    return lambda function: Reward(function, options, group, needs)


def measure_lengths(samples: Sequence[Sample]) -> list[int]:
    """Measure completions in one unit: tokens if all were counted, otherwise characters."""
    tokens = [sample.tokens for sample in samples if sample.tokens is not None]
    return tokens if len(tokens) == len(samples) else [len(sample.completion) for sample in samples]
