"""What a reward is: a function of the completions of one prompt, with typed options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from openr1.data.tasks.base import Problem


@dataclass(frozen=True)
class Sample:
    """A completion of a problem's prompt."""

    problem: Problem
    completion: str
    tokens: int | None = None  # of the completion, its end token left out; None where nobody counted
    finished: bool = True  # it ended with the end token, not at the maximum length


def sample_of(problem: Problem, completion: str, tokens: int | None, finished: bool | None) -> Sample:
    """Make the sample of a row, from its problem and its values of :data:`openr1.data.answers.SAMPLE_COLUMNS`."""
    return Sample(problem, completion, tokens, bool(finished))


VERDICTS = 2  # raised when answers are judged in another way, so that results with other verdicts have other names


class Verdict(NamedTuple):
    """The result of checking an answer, and how it was reached."""

    correct: bool | None = None  # None: nothing can be said
    passed: tuple[bool, ...] | None = None  # of a code problem: test by test, in order; shorter where checking stopped early
    gold: str = ""  # how the gold answer was read
    answer: str = ""  # how the answer was read; empty where there is none
    step: str = ""  # the step that decided, or the reason why none could


def wrong(sample: Sample) -> Verdict:
    """The verdict on an answer that cannot be checked: wrong, and no test of a program passed."""
    return Verdict(False, (False,) * len(sample.problem.tests) or None)


@dataclass(frozen=True)
class Verified(Sample):
    """A sample whose answer was checked, so that several rewards share one check."""

    verdict: Verdict = field(default_factory=Verdict)

    @classmethod
    def of(cls, sample: Sample, verdict: Verdict) -> Verified:
        return cls(sample.problem, sample.completion, sample.tokens, sample.finished, verdict)


@dataclass
class NoOptions:
    """A reward that has nothing to set."""


@dataclass(frozen=True)
class Reward:
    """A reward, callable as ``reward(samples, **options) -> list[float | None]`` over the samples of ONE prompt.

    None is no value: a reward that cannot be given is never a 0 or a 1 by accident.
    """

    function: Callable[..., list[float | None]]
    options: type | None = None  # dataclass of the options, all with defaults; None for a function of free keywords
    group: bool = False  # a value depends on the other samples of the prompt
    needs: str | None = None  # "verdict": whether the answer is right; "tests": every test of a code problem

    def __call__(self, samples: Sequence[Sample], **options: Any) -> list[float | None]:
        if self.options is None:
            return self.function(samples, **options)
        return self.function(samples, self.options(**options))


def reward(
    options: type | None = None, *, group: bool = False, needs: str | None = None
) -> Callable[[Callable[..., list[float | None]]], Reward]:
    """Make a function a reward. See :class:`Reward` for the arguments.

    A user's own needs no decorator: a plain function ``f(samples, **options)`` is called with all samples of a prompt.
    Decorated without ``group=True`` it is called with one sample at a time, so that one that hangs costs no other its value.
    """
    return lambda function: Reward(function, options, group, needs)


def lengths(samples: Sequence[Sample]) -> list[int]:
    """Lengths of completions in one unit: tokens where all were counted, otherwise characters."""
    if all(sample.tokens is not None for sample in samples):
        return [sample.tokens for sample in samples]
    return [len(sample.completion) for sample in samples]
