"""What a task is, and how its answers are written: with the tags of R1-Zero's template (arXiv 2501.12948), compactly."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """A prompt with one right answer, and the reasoning that leads to it."""

    prompt: str
    answer: str
    trace: str


class Task(ABC):
    """A generator of problems with a verifier."""

    Options: ClassVar[type]  # dataclass of difficulty parameters, all with defaults
    version: ClassVar[int] = 1  # raised when the same seed and options give other problems, so that cached data are renewed

    @abstractmethod
    def generate(self, count: int, seed: int, options: Any) -> list[Problem]:
        """``count`` problems with distinct prompts, the same on every machine; a larger count begins with a smaller one.

        :raises ValueError: ``problems: ...`` where there are not so many, ``options.NAME: ...`` where none can be.
        """

    def verify(self, problem: Problem, completion: str) -> bool:
        """Whether a completion gives the right answer: exactly one ``<answer>``, and its text is the answer."""
        given = ANSWER.findall(completion)
        return len(given) == 1 and given[0].strip() == problem.answer


def direct(problem: Problem) -> str:
    """The completion that answers at once."""
    return f"<answer>{problem.answer}</answer>"


def reasoned(problem: Problem) -> str:
    """The completion that reasons, then answers."""
    return f"<think>{problem.trace}</think>{direct(problem)}"
