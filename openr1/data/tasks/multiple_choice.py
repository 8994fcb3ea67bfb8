"""Multiple choice: ``What is 7*8? A) 54 B) 56 C) 63 D) 48`` is B. The facts are computed, not looked up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from string import ascii_uppercase as LETTERS
from typing import Annotated

from annotated_types import Interval, MinLen

from openr1.data.hashing import hash64
from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randint, shuffled
from openr1.options.ranges import OneOf

TOPICS = ("product", "largest", "multiple", "weekday")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass
class MultipleChoiceOptions:
    """Options of multiple_choice: ``choices`` options (2 to 7) of a question from any of ``topics``. Factors and days are from
    2 to ``maximum``, numbers to compare or divide from 1 to ten times that."""

    topics: Annotated[list[Annotated[str, OneOf(TOPICS)]], MinLen(1)] = field(default_factory=lambda: list(TOPICS))
    choices: Annotated[int, Interval(ge=2, le=len(DAYS))] = 4
    maximum: Annotated[int, Interval(ge=3, le=1000000000)] = 20


class MultipleChoice(DrawnTask):
    """The task multiple_choice. The difficulty is the number of steps, without the last, which names the letter.

    The options and their order follow from the question, so that a fact has one prompt and is on one side of a split.
    """

    name = "multiple_choice"
    Options = MultipleChoiceOptions

    def draw(self, rng: random.Random, place: int, options: MultipleChoiceOptions) -> Problem:
        question, right, wrong, explain = DRAWS[choice(rng, options.topics)](rng, options)
        offered = shuffled(_seeded_rng(question, *sorted([right, *wrong])), [right, *wrong])
        letter = LETTERS[offered.index(right)]
        prompt = " ".join([question, *(f"{mark}) {text}" for mark, text in zip(LETTERS, offered, strict=False))])
        steps = [*explain(offered), f"{right} is {letter}"]
        return Problem(prompt, letter, ",".join(steps), "choice", task=self.name, difficulty=len(steps) - 1)


# question, right answer, wrong answers, and a function from the options in their order to the steps
Drawn = tuple[str, str, list[str], Callable[[list[str]], list[str]]]


def _product(rng: random.Random, options: MultipleChoiceOptions) -> Drawn:
    """Ask for a product; wrong answers are near it: products of the factors' neighbours, and adjacent numbers."""
    a, b = sorted(randint(rng, 2, options.maximum) for _ in range(2))
    question, right = f"What is {a}*{b}?", a * b
    near = dict.fromkeys([right - b, right + b, right - a, right + a, right - 1, right + 1, right - 10, right + 10])
    wrong = shuffled(_seeded_rng(question), [number for number in near if number > 0])
    wrong += [number for number in range(right + 2, right + 8) if number not in near]
    return question, str(right), list(map(str, wrong[: options.choices - 1])), lambda _: [f"{a}*{b}={right}"]


def _largest(rng: random.Random, options: MultipleChoiceOptions) -> Drawn:
    numbers = sorted(_distinct(rng, options.choices, 10 * options.maximum))

    def explain(offered: list[str]) -> list[str]:
        best, steps = int(offered[0]), []
        for number in map(int, offered[1:]):
            steps.append(f"{best}{'>' if best > number else '<'}{number}")
            best = max(best, number)
        return steps

    return "Which is the largest?", str(numbers[-1]), list(map(str, numbers[:-1])), explain


def _multiple(rng: random.Random, options: MultipleChoiceOptions) -> Drawn:
    """Ask for the only multiple of a divisor; the steps end at the multiple."""
    divisor, most = randint(rng, 2, 9), 10 * options.maximum
    right = divisor * randint(rng, 1, most // divisor)
    wrong: list[int] = []
    while len(wrong) < options.choices - 1:
        wrong += [number for number in _distinct(rng, 1, most) if number % divisor and number not in wrong]

    def explain(offered: list[str]) -> list[str]:
        tried = offered[: offered.index(str(right)) + 1]
        return [f"{number} mod {divisor}={int(number) % divisor}" for number in tried]

    return f"Which is a multiple of {divisor}?", str(right), list(map(str, wrong)), explain


def _weekday(rng: random.Random, options: MultipleChoiceOptions) -> Drawn:
    """Ask for a day of the week; the steps remove whole weeks, then go day by day."""
    start, days = randint(rng, 0, 6), randint(rng, 2, options.maximum)
    question, right = f"Which day is {days} days after {DAYS[start]}?", DAYS[(start + days) % 7]
    wrong = shuffled(_seeded_rng(question), [day for day in DAYS if day != right])[: options.choices - 1]
    weeks = [f"{days} mod 7={days % 7}"] if days >= 7 else []
    return question, right, wrong, lambda _: weeks + [DAYS[(start + day) % 7] for day in range(1, days % 7 + 1)]


DRAWS = {"product": _product, "largest": _largest, "multiple": _multiple, "weekday": _weekday}


def _distinct(rng: random.Random, count: int, most: int) -> set[int]:
    """Draw distinct numbers from 1 to ``most``."""
    numbers: set[int] = set()
    while len(numbers) < count:
        numbers.add(randint(rng, 1, most))
    return numbers


def _seeded_rng(*texts: str) -> random.Random:
    """Return a generator that depends only on the texts."""
    return random.Random(hash64("multiple_choice", *texts))
