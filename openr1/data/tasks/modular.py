"""Modular arithmetic: ``(17*23) mod 7=`` is 6, by ``17 mod 7=3,23 mod 7=2,(3*2) mod 7=6``, so that numbers stay small."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.option_checks import check_members, check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randbelow, randint


@dataclass
class ModularOptions:
    """Options of modular: sums, products and powers by ``operators``. Sums and products have ``min_terms`` to ``max_terms``
    numbers, each count equally often; numbers are from 0 to ``maximum``, exponents from 2 to ``max_exponent``, moduli from 2 to
    ``max_modulus``."""

    operators: str = "+*^"
    min_terms: Annotated[int, Interval(ge=2, le=1000)] = 2
    max_terms: Annotated[int, Interval(ge=2, le=1000)] = 3
    maximum: Annotated[int, Interval(ge=2, le=1000000000)] = 99
    max_exponent: Annotated[int, Interval(ge=2, le=1000)] = 6
    max_modulus: Annotated[int, Interval(ge=2, le=1000000000)] = 12


class Modular(DrawnTask):
    """The task modular. The difficulty is the number of steps, one for each number that is reduced and each operation."""

    name = "modular"
    Options = ModularOptions

    def check_options(self, options: ModularOptions) -> None:
        check_members(options.operators, "operators", "+*^")
        check_order(options.min_terms, options.max_terms, "terms")

    def draw(self, rng: random.Random, place: int, options: ModularOptions) -> Problem:
        operator, modulus = choice(rng, options.operators), randint(rng, 2, options.max_modulus)
        if operator == "^":
            terms = [randbelow(rng, options.maximum + 1)] * randint(rng, 2, options.max_exponent)
            text = f"{terms[0]}^{len(terms)}"
            reduced, steps = _reduce(terms[:1], modulus)
            value, more = _fold("*", reduced * len(terms), modulus)
        else:
            count = options.min_terms + place % (options.max_terms - options.min_terms + 1)
            terms = [randbelow(rng, options.maximum + 1) for _ in range(count)]
            text = f"({operator.join(map(str, terms))})"
            reduced, steps = _reduce(terms, modulus)
            value, more = _fold(operator, reduced, modulus)
        steps += more
        return Problem(f"{text} mod {modulus}=", str(value), ",".join(steps), task=self.name, difficulty=len(steps))


def _reduce(terms: list[int], modulus: int) -> tuple[list[int], list[str]]:
    """Reduce the terms modulo the modulus, with a step for each that changes."""
    return [term % modulus for term in terms], [f"{term} mod {modulus}={term % modulus}" for term in terms if term >= modulus]


def _fold(operator: str, terms: list[int], modulus: int) -> tuple[int, list[str]]:
    """Add or multiply the terms one after the other, and reduce each result."""
    value, steps = terms[0], []
    for term in terms[1:]:
        result = (value + term if operator == "+" else value * term) % modulus
        steps.append(f"({value}{operator}{term}) mod {modulus}={result}")
        value = result
    return value, steps
