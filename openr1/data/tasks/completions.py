"""Completions of problems in the tags of R1-Zero's template (arXiv 2501.12948), written compactly."""

from __future__ import annotations

import re

from openr1.data.tasks.problem import Problem

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def extract_answer(completion: str) -> str | None:
    """Return the text of the only ``<answer>`` of a completion; None if there is none, or more than one."""
    answers = ANSWER.findall(completion)
    return answers[0].strip() if len(answers) == 1 else None


def is_right_text(problem: Problem, answer: str) -> bool:
    """Tell whether the text of an answer equals the right one, or is the right letter; false if there is no right one.

    :raises NotImplementedError: for code, which only the sandbox of :mod:`openr1.rewards` runs.
    """
    if problem.kind == "code":
        raise NotImplementedError("code is verified by its tests, in the sandbox of openr1.rewards")
    if problem.kind == "choice":
        answer = answer.strip("().: ").upper()
    return answer == problem.answer != ""


def direct_completion(problem: Problem) -> str:
    """Return the completion that answers at once.

    :raises ValueError: if the problem has no oracle.
    """
    program = _reasoning_and_program(problem)[1]
    answer = f"```python\n{program}\n```" if program else problem.answer
    if not answer:
        raise ValueError(f"{problem.task or problem.id}: no oracle has an answer, only a verifier")
    return f"<answer>{answer}</answer>"


def reasoned_completion(problem: Problem) -> str:
    """Return the completion that reasons, then answers; without a trace, :func:`direct_completion`."""
    reasoning = _reasoning_and_program(problem)[0]
    return f"<think>{reasoning}</think>{direct_completion(problem)}" if reasoning else direct_completion(problem)


def _reasoning_and_program(problem: Problem) -> tuple[str, str]:
    """Separate the trace of code into its reasoning and its statements; any other trace is reasoning only."""
    if problem.kind != "code":
        return problem.trace, ""
    lines = problem.trace.splitlines()
    head = next((number for number, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    return "\n".join(line.removeprefix("# ") for line in lines[:head]), "\n".join(lines[head:])
