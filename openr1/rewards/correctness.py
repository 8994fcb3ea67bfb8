"""Judges whether a completion gives the right answer, by the kind of its problem: exact, math, choice or code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openr1.rewards.base import Sample, Verdict, Verified
from openr1.rewards.parsing import after_thoughts, tagged

if TYPE_CHECKING:
    from openr1.rewards.sandbox import Sandbox

Progress = Callable[[str], Any]  # told "start", "gold" or "completion": what is being worked on, whose fault a hang would be


def check(
    sample: Sample, sandbox: Sandbox | None = None, every: bool = False, progress: Progress = lambda stage: None
) -> Verdict:
    """The verdict on a sample's answer.

    It may take for ever on some expressions: :class:`openr1.rewards.Scorer` calls it in a process that it can kill.

    :param sandbox: where programs run; bubblewrap with its default limits where None.
    :param every: run all tests of a program, also after one that fails.
    :param progress: called before each step, so that a caller in another process can tell what hangs.
    :raises ValueError: for a problem of unknown kind.
    :raises SandboxError: where the sandbox itself fails; a program that fails is only wrong.
    :raises ConfigError: where there is no sandbox.
    """
    # every command composes a config, which imports this module; few of them judge
    match sample.problem.kind:
        case "exact":
            return _exact(sample, progress)
        case "math":
            from openr1.rewards import mathematics

            return mathematics.check(sample, progress)
        case "choice":
            from openr1.rewards import choice

            return choice.check(sample)
        case "code":
            from openr1.rewards import programs

            return programs.check(sample, sandbox, every, progress)
        case kind:
            raise ValueError(f"a problem of kind {kind!r}, which is not one of exact, math, choice, code")


def verify(sample: Sample) -> bool | None:
    """Tell whether an answer is right; None where nothing can be said, since the gold answer is not read to its end."""
    return sample.verdict.correct if isinstance(sample, Verified) else check(sample).correct


def _exact(sample: Sample, progress: Progress) -> Verdict:
    """Exactly one ``<answer>`` after the thoughts, and its text is the gold answer, or one that the problem's task accepts."""
    progress("start")
    from openr1.data.tasks import accepts, find_task

    progress("completion")
    if not sample.problem.answer:
        try:
            find_task(sample.problem.task)  # whose problems may have a verifier alone
        except ValueError:
            return Verdict()
    answer = tagged(after_thoughts(sample.completion) or "")
    return Verdict(answer is not None and accepts(sample.problem, answer))
