"""Judges whether a completion gives the right answer, by the kind of its problem: exact, math, choice or code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openr1.rewards.base import Sample, Verdict, Verified
from openr1.rewards.parsing import extract_answer, strip_thoughts

if TYPE_CHECKING:
    from openr1.rewards.sandbox import Sandbox

Progress = Callable[[str], Any]  # called with "start", "gold" or "completion": the part that a hang would be due to


def judge_answer(
    sample: Sample, sandbox: Sandbox | None = None, run_all: bool = False, progress: Progress = lambda stage: None
) -> Verdict:
    """Judge a sample's answer.

    This may take forever on some expressions; :class:`openr1.rewards.Scorer` calls it in a process that it can kill.

    :param sandbox: runs programs; None for bubblewrap with its default limits.
    :param run_all: run all tests of a program, also after one that fails.
    :param progress: called before each step, so that a caller in another process knows which step hangs.
    :raises ValueError: for a problem of unknown kind.
    :raises SandboxError: if the sandbox itself fails; a program that fails is merely wrong.
    :raises ConfigError: if the sandbox is not available.
    """
    # imported here, since every command imports this module with its config but few commands judge answers
    match sample.problem.kind:
        case "exact":
            return _judge_exact(sample, progress)
        case "math":
            from openr1.rewards import mathematics

            return mathematics.judge_mathematics(sample, progress)
        case "choice":
            from openr1.rewards import choice

            return choice.judge_choice(sample)
        case "code":
            from openr1.rewards import programs

            return programs.judge_program(sample, sandbox, run_all, progress)
        case kind:
            raise ValueError(f"problem.kind: {kind!r} is not one of exact, math, choice, code")


def verify(sample: Sample) -> bool | None:
    """Tell whether an answer is right; None if there is no verdict, because the gold answer cannot be read to its end."""
    return sample.verdict.correct if isinstance(sample, Verified) else judge_answer(sample).correct


def _judge_exact(sample: Sample, progress: Progress) -> Verdict:
    """Compare the text of the one ``<answer>`` after the thoughts by the problem's task, or with the gold answer."""
    progress("start")
    from openr1.data.tasks import accepts, find_task

    progress("completion")
    if not sample.problem.answer:
        try:
            find_task(sample.problem.task)  # some tasks have a verifier but no answers
        except ValueError:
            return Verdict()
    answer = extract_answer(strip_thoughts(sample.completion) or "")
    return Verdict(answer is not None and accepts(sample.problem, answer))
