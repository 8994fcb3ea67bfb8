"""Strings, letter by letter: ``reverse stone:``, ``count o in stone:``, ``sort stone:``, ``shift stone by 3:`` (Caesar)."""

from __future__ import annotations

import random
from bisect import insort
from dataclasses import dataclass, field
from string import ascii_lowercase as ALPHABET
from typing import Annotated

from annotated_types import Interval, MinLen

from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.option_checks import check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randint
from openr1.options.ranges import OneOf

OPERATIONS = ("reverse", "count", "sort", "shift")


@dataclass
class StringsOptions:
    """Options of strings: ``operations`` on words of ``min_length`` to ``max_length`` random letters, each length equally
    often, from the first ``letters`` of the alphabet. Shifts are by 1 to ``max_shift`` places, and z is followed by a."""

    operations: Annotated[list[Annotated[str, OneOf(OPERATIONS)]], MinLen(1)] = field(default_factory=lambda: list(OPERATIONS))
    min_length: Annotated[int, Interval(ge=1, le=1000)] = 3
    max_length: Annotated[int, Interval(ge=1, le=1000)] = 8
    letters: Annotated[int, Interval(ge=2, le=26)] = 26
    max_shift: Annotated[int, Interval(ge=1, le=25)] = 5


class Strings(DrawnTask):
    """The task strings. The difficulty is the number of letters, each of which is a step."""

    name = "strings"
    Options = StringsOptions

    def check_options(self, options: StringsOptions) -> None:
        check_order(options.min_length, options.max_length, "length")

    def draw(self, rng: random.Random, place: int, options: StringsOptions) -> Problem:
        length = options.min_length + place % (options.max_length - options.min_length + 1)
        letters = ALPHABET[: options.letters]
        word = "".join(choice(rng, letters) for _ in range(length))
        match choice(rng, options.operations):
            case "reverse":
                prompt, steps = f"reverse {word}:", [word[:end][::-1] for end in range(1, length + 1)]
                answer = steps[-1]
            case "sort":
                prompt, steps = f"sort {word}:", _insertions(word)
                answer = steps[-1]
            case "count":
                # mostly a letter of the word
                letter = choice(rng, word + choice(rng, letters))
                prompt = f"count {letter} in {word}:"
                steps = [f"{word[end - 1]}{word[:end].count(letter)}" for end in range(1, length + 1)]
                answer = str(word.count(letter))
            case _:
                shift = randint(rng, 1, options.max_shift)
                answer = "".join(ALPHABET[(ALPHABET.index(letter) + shift) % 26] for letter in word)
                prompt, steps = f"shift {word} by {shift}:", [f"{a}>{b}" for a, b in zip(word, answer, strict=True)]
        return Problem(prompt, answer, ",".join(steps), task=self.name, difficulty=length)


def _insertions(word: str) -> list[str]:
    """Return the sorted letters so far, after each letter."""
    steps: list[str] = []
    ordered: list[str] = []
    for letter in word:
        insort(ordered, letter)
        steps.append("".join(ordered))
    return steps
