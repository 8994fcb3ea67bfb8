"""Base classes of procedural tasks."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from openr1.data.tasks.completions import extract_answer, is_right_text
from openr1.data.tasks.problem import KINDS, Problem, is_held_out

__all__ = ["KINDS", "DrawnTask", "Problem", "Task", "distinct", "is_held_out"]

MAX_MISSES = 20_000  # draws without a new problem after which a task counts as exhausted


class Task(ABC):
    """A generator of problems with a verifier."""

    name: str
    Options: type  # dataclass of difficulty parameters, all with defaults

    @property
    def version(self) -> int | str:
        """A value that changes when the same seed and options give other problems, so that cached data are renewed."""
        return 1

    @abstractmethod
    def stream(self, seed: int, options: Any) -> Iterator[Problem]:
        """Yield problems with distinct prompts until there are no new ones, the same on every machine."""

    def check_options(self, options: Any) -> None:  # noqa: B027
        """Refuse options that no problem satisfies, though each is within its range.

        :raises ValueError: ``options.NAME: ...``.
        """

    def capacity(self, options: Any) -> int | None:
        """Return the number of distinct problems; None if unknown."""
        return None

    def generate(self, count: int, seed: int, options: Any) -> list[Problem]:
        """Return ``count`` problems with distinct prompts, the same on every machine; a larger count begins with a smaller one.

        :raises ValueError: ``problems: ...`` if there are not so many, ``options.NAME: ...`` if no problem satisfies an option.
        """
        self.check_options(options)
        capacity = self.capacity(options)
        if capacity is not None and count > capacity:
            raise ValueError(f"problems: at most {capacity} distinct {self.name} have these options")
        first = list(islice(self.stream(seed, options), count))
        if len(first) < count:
            raise ValueError(f"problems: only {len(first)} distinct ones of {self.name} were found with these options")
        return first

    def held_out(self, count: int, seed: int, options: Any, fraction: float) -> list[Problem]:
        """Return the first ``count`` problems that :func:`is_held_out`, for tests; about ``count / fraction`` are drawn.

        :raises ValueError: ``options: ...`` if there are not so many, and as :meth:`generate` does.
        """
        if not 0 < fraction < 1:
            raise ValueError("fraction: must be between 0 and 1")
        problems = (problem for problem in self.stream(seed, options) if is_held_out(problem, fraction))
        first = list(islice(problems, count))
        if len(first) < count:
            raise ValueError(
                f"options: leave {len(first)} held-out problems of {self.name}, of {count} that are asked for; wider options "
                f"or a larger data.eval_fraction (now {fraction:g}) give more"
            )
        return first

    def verify(self, problem: Problem, completion: str) -> bool:
        """Tell whether a completion gives the right answer: exactly one ``<answer>``, whose text is accepted."""
        answer = extract_answer(completion)
        return answer is not None and self.accepts(problem, answer)

    def accepts(self, problem: Problem, answer: str) -> bool:
        """Tell whether the text of an answer is right. Tasks with more than one right text override it."""
        return is_right_text(problem, answer)


class DrawnTask(Task):
    """A task whose problems are drawn one by one.

    The verification of an answer depends only on the prompt and the options: all that is drawn beside the prompt (tests, the
    order of choices) is drawn from the prompt's hash, so that two sets never differ over one problem.
    """

    @abstractmethod
    def draw(self, rng: random.Random, place: int, options: Any) -> Problem | None:
        """Draw a problem for a place in a set; return None if the draw gives none.

        Difficulties take turns by place, so that every prefix of a set contains them all.
        """

    def stream(self, seed: int, options: Any) -> Iterator[Problem]:
        self.check_options(options)
        rng = random.Random(seed)
        return distinct(lambda place: self.draw(rng, place, options), self.capacity(options))


def distinct(draw: Callable[[int], Problem | None], capacity: int | None = None) -> Iterator[Problem]:
    """Yield the problems of a draw that have a new prompt.

    :param draw: takes the number of problems so far.
    :param capacity: number of problems after which to stop; None to stop after 20,000 draws without a new one.
    """
    seen: set[str] = set()
    misses = 0
    while misses < MAX_MISSES if capacity is None else len(seen) < capacity:
        problem = draw(len(seen))
        if problem is None or problem.prompt in seen:
            misses += 1
        else:
            misses = 0
            seen.add(problem.prompt)
            yield problem
