"""Problems: a prompt and the means to verify an answer, and the rule that separates training from test problems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from openr1.data.hashing import hash64, unit

KINDS = ("exact", "math", "choice", "code")  # of problems, by how an answer is verified


@dataclass(frozen=True)
class Problem:
    """A prompt, the means to verify an answer, and the oracle's reasoning.

    :ivar kind: ``exact`` (verified by its task, see :meth:`openr1.data.tasks.base.Task.accepts`; without one by the text),
        ``math`` (by math-verify), ``choice`` (by the letter) or ``code`` (by ``tests``).
    :ivar answer: the right answer; empty for code, and if no oracle is known.
    :ivar trace: reasoning that leads to the answer. For code, the oracle's program; the comments at its head are the reasoning.
    :ivar tests: ``(stdin, expected stdout)`` for code, or a call of a function and its result; see
        :mod:`openr1.data.program_tests`. Tasks with a scorer of their own store its inputs here.
    :ivar difficulty: a count defined by the task; unless it says otherwise, the steps of the oracle's reasoning.
    """

    prompt: str
    answer: str
    trace: str = ""
    kind: str = "exact"
    tests: tuple[tuple[str, ...], ...] = ()
    # labels, which do not distinguish problems
    task: str = field(default="", compare=False)
    difficulty: float | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """The same for the same prompt and kind, whatever drew it: 16 hexadecimal digits."""
        return f"{hash64('problem', self.prompt, self.kind):016x}"


class Split(NamedTuple):
    """Problems to train on, and problems to test with."""

    train: list[Problem]
    test: list[Problem]


def is_held_out(problem: Problem, fraction: float) -> bool:
    """Tell whether a problem is for testing only, by the hash of its prompt, independent of task, seed and count.

    :mod:`openr1.data.corpus` holds documents out by the same rule, so a data set with ``eval_fraction=fraction`` never trains
    on such a problem. A problem that is held out at a fraction is held out at every larger one.
    """
    return unit("split", problem.prompt) < fraction


def split(problems: Iterable[Problem], fraction: float) -> Split:
    """Separate problems to train on from those to test with, in order; no prompt is on both sides of any two splits.

    :param fraction: expected share of the problems that are held out.
    """
    sides = Split([], [])
    for problem in problems:
        sides[is_held_out(problem, fraction)].append(problem)
    return sides
