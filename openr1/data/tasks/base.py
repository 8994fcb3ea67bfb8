"""What a task is, and how its answers are written: with the tags of R1-Zero's template (arXiv 2501.12948), compactly."""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from openr1.data.hashing import hash64, unit

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
KINDS = ("exact", "math", "choice", "code")  # of problems, by how an answer is verified
MISSES = 20_000  # draws without a new problem after which there are taken to be no more


@dataclass(frozen=True)
class Problem:
    """A prompt, how a completion of it is verified, and the oracle's way to the answer.

    :ivar kind: ``exact`` (by its task, see :meth:`Task.accepts`; without one by the text), ``math`` (by math-verify),
        ``choice`` (by the letter) or ``code`` (by ``tests``).
    :ivar answer: the right answer; empty for code, and where no oracle is known.
    :ivar trace: reasoning that leads to the answer. For code, the oracle's program; the comments at its head are the reasoning.
    :ivar tests: ``(stdin, expected stdout)`` for code, or a call of a function and its result; see
        :mod:`openr1.data.program_tests`. Tasks with a scorer of their own keep here what it needs.
    :ivar difficulty: what it counts is the task's to say: the steps of the oracle's reasoning, where nothing else is said.
    """

    prompt: str
    answer: str
    trace: str = ""
    kind: str = "exact"
    tests: tuple[tuple[str, ...], ...] = ()
    # labels, which make no other problem
    task: str = field(default="", compare=False)
    difficulty: float | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """The same for the same prompt and kind, whatever drew it: 16 hexadecimal digits."""
        return f"{hash64('problem', self.prompt, self.kind):016x}"


class Split(NamedTuple):
    train: list[Problem]
    test: list[Problem]


def is_held_out(problem: Problem, fraction: float) -> bool:
    """Whether a problem is for testing only: by the hash of its prompt, whatever task, seed and count it came with.

    It is the rule by which :mod:`openr1.data.corpus` holds documents out, so a data set with ``eval_fraction=fraction`` never
    trains on such a problem. What is held out at a fraction is held out at every larger one.
    """
    return unit("split", problem.prompt) < fraction


def split(problems: Iterable[Problem], fraction: float) -> Split:
    """The problems to train on and those to test with, each in their order; no prompt is on both sides of any two splits.

    :param fraction: share of the problems that are held out, in expectation.
    """
    sides = Split([], [])
    for problem in problems:
        sides[is_held_out(problem, fraction)].append(problem)
    return sides


class Task(ABC):
    """A generator of problems with a verifier."""

    name: ClassVar[str]
    Options: ClassVar[type]  # dataclass of difficulty parameters, all with defaults
    version: int | str = 1  # raised when the same seed and options give other problems, so that cached data are renewed

    @abstractmethod
    def stream(self, seed: int, options: Any) -> Iterator[Problem]:
        """Problems with distinct prompts, as long as there are new ones, the same on every machine."""

    @abstractmethod
    def check(self, options: Any) -> None:
        """:raises ValueError: ``options.NAME: ...`` for options that no problem has."""

    def capacity(self, options: Any) -> int | None:
        """How many distinct problems there are, where that is known."""
        return None

    def generate(self, count: int, seed: int, options: Any) -> list[Problem]:
        """``count`` problems with distinct prompts, the same on every machine; a larger count begins with a smaller one.

        :raises ValueError: ``problems: ...`` where there are not so many, ``options.NAME: ...`` where none can be.
        """
        self.check(options)
        capacity = self.capacity(options)
        if capacity is not None and count > capacity:
            raise ValueError(f"problems: at most {capacity} distinct {self.name} have these options")
        return self._first(count, self.stream(seed, options))

    def held_out(self, count: int, seed: int, options: Any, fraction: float) -> list[Problem]:
        """The first ``count`` problems that :func:`is_held_out`, for tests; about ``count / fraction`` are drawn for them.

        :raises ValueError: as :meth:`generate` does.
        """
        if not 0 < fraction < 1:
            raise ValueError("fraction: must be between 0 and 1")
        problems = (problem for problem in self.stream(seed, options) if is_held_out(problem, fraction))
        return self._first(count, problems)

    def _first(self, count: int, problems: Iterator[Problem]) -> list[Problem]:
        found = list(islice(problems, count))
        if len(found) < count:
            raise ValueError(f"problems: only {len(found)} distinct ones of {self.name} were found with these options")
        return found

    def verify(self, problem: Problem, completion: str) -> bool:
        """Whether a completion gives the right answer: exactly one ``<answer>``, and its text is accepted."""
        answer = given(completion)
        return answer is not None and self.accepts(problem, answer)

    def accepts(self, problem: Problem, answer: str) -> bool:
        """Whether the text of an answer is right. Tasks with more than one right text override it."""
        return same(problem, answer)


class DrawnTask(Task):
    """A task whose problems are drawn one by one.

    What verifies an answer is a function of the prompt and the options: whatever is drawn beside the prompt (tests, the order
    of choices) is drawn from its hash, so that two sets never differ over one problem.
    """

    @abstractmethod
    def draw(self, rng: random.Random, place: int, options: Any) -> Problem | None:
        """A problem, for the ``place``-th of a set; ``None`` where the draw came to nothing.

        Difficulties take turns by place, so that every prefix of a set has them all.
        """

    def stream(self, seed: int, options: Any) -> Iterator[Problem]:
        self.check(options)
        rng = random.Random(seed)
        return distinct(lambda place: self.draw(rng, place, options), self.capacity(options))


def distinct(draw: Callable[[int], Problem | None], capacity: int | None = None) -> Iterator[Problem]:
    """The problems of a draw that have a new prompt.

    :param draw: is given the number of the problems so far.
    :param capacity: end with so many; where None, after 20,000 draws without a new one.
    """
    seen: set[str] = set()
    misses = 0
    while misses < MISSES if capacity is None else len(seen) < capacity:
        problem = draw(len(seen))
        if problem is None or problem.prompt in seen:
            misses += 1
        else:
            misses = 0
            seen.add(problem.prompt)
            yield problem


def given(completion: str) -> str | None:
    """The text of the one ``<answer>`` of a completion; ``None`` where there is none, or more than one."""
    answers = ANSWER.findall(completion)
    return answers[0].strip() if len(answers) == 1 else None


def same(problem: Problem, answer: str) -> bool:
    """Whether the text of an answer is the right one, or the right letter; never, where there is no right one.

    :raises NotImplementedError: for code, which only the sandbox of :mod:`openr1.rewards` runs.
    """
    if problem.kind == "code":
        raise NotImplementedError("code is verified by its tests, in the sandbox of openr1.rewards")
    if problem.kind == "choice":
        answer = answer.strip("().: ").upper()
    return answer == problem.answer != ""


def direct(problem: Problem) -> str:
    """The completion that answers at once.

    :raises ValueError: where the problem has no oracle.
    """
    program = _program(problem)[1]
    answer = f"```python\n{program}\n```" if program else problem.answer
    if not answer:
        raise ValueError(f"{problem.task or problem.id}: no oracle has an answer, only a verifier")
    return f"<answer>{answer}</answer>"


def reasoned(problem: Problem) -> str:
    """The completion that reasons, then answers; without a trace, :func:`direct`."""
    trace = _program(problem)[0]
    return f"<think>{trace}</think>{direct(problem)}" if trace else direct(problem)


def _program(problem: Problem) -> tuple[str, str]:
    """The trace, for code its reasoning and its statements apart."""
    if problem.kind != "code":
        return problem.trace, ""
    lines = problem.trace.splitlines()
    head = next((number for number, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    return "\n".join(line.removeprefix("# ") for line in lines[:head]), "\n".join(lines[head:])
