"""Modular arithmetic: ``(17*23) mod 7=`` is 6, by ``17 mod 7=3,23 mod 7=2,(3*2) mod 7=6``, where numbers never grow."""

from __future__ import annotations

import random
from dataclasses import dataclass

from openr1.data.tasks.base import DrawnTask, Problem
from openr1.data.tasks.rng import below, between, check_least, check_members, check_range, pick


@dataclass
class ModularOptions:
    """Sums, products and powers by ``operators``. Sums and products are of ``min_terms`` to ``max_terms`` numbers, each equally
    often; numbers are from 0 to ``maximum``, exponents from 2 to ``max_exponent``, moduli from 2 to ``max_modulus``."""

    operators: str = "+*^"
    min_terms: int = 2
    max_terms: int = 3
    maximum: int = 99
    max_exponent: int = 6
    max_modulus: int = 12


class Modular(DrawnTask):
    """Difficulty: the steps, one for each number that is reduced and each operation."""

    name = "modular"
    Options = ModularOptions

    def check(self, options: ModularOptions) -> None:
        check_members(options.operators, "operators", "+*^")
        check_range(options.min_terms, options.max_terms, "terms", 2)
        check_least(options, maximum=2, max_exponent=2, max_modulus=2)

    def draw(self, rng: random.Random, place: int, options: ModularOptions) -> Problem:
        operator, modulus = pick(rng, options.operators), between(rng, 2, options.max_modulus)
        if operator == "^":
            terms = [below(rng, options.maximum + 1)] * between(rng, 2, options.max_exponent)
            text = f"{terms[0]}^{len(terms)}"
            reduced, steps = _reduce(terms[:1], modulus)
            value, more = _fold("*", reduced * len(terms), modulus)
        else:
            count = options.min_terms + place % (options.max_terms - options.min_terms + 1)
            terms = [below(rng, options.maximum + 1) for _ in range(count)]
            text = f"({operator.join(map(str, terms))})"
            reduced, steps = _reduce(terms, modulus)
            value, more = _fold(operator, reduced, modulus)
        steps += more
        return Problem(f"{text} mod {modulus}=", str(value), ",".join(steps), task=self.name, difficulty=len(steps))


def _reduce(terms: list[int], modulus: int) -> tuple[list[int], list[str]]:
    """The terms modulo the modulus, with a step for each that changes."""
    return [term % modulus for term in terms], [f"{term} mod {modulus}={term % modulus}" for term in terms if term >= modulus]


def _fold(operator: str, terms: list[int], modulus: int) -> tuple[int, list[str]]:
    """The terms added or multiplied one after the other, each result reduced."""
    value, steps = terms[0], []
    for term in terms[1:]:
        result = (value + term if operator == "+" else value * term) % modulus
        steps.append(f"({value}{operator}{term}) mod {modulus}={result}")
        value = result
    return value, steps
