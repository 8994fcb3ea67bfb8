"""Expressions: ``3*(4+5)-2=`` is 25, with one operation per step: ``4+5=9,3*9=27,27-2=25``."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.expressions import Term, combine
from openr1.data.tasks.option_checks import check_members, check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randbelow


@dataclass
class ArithmeticOptions:
    """Options of arithmetic: ``min_operations`` to ``max_operations`` operations, each count equally often, of ``operators`` on
    numbers from 0 to ``maximum``; the absolute value of every intermediate result is at most ``limit``."""

    min_operations: Annotated[int, Interval(ge=1, le=100)] = 2
    max_operations: Annotated[int, Interval(ge=1, le=100)] = 4
    operators: str = "+-*"
    maximum: Annotated[int, Interval(ge=1, le=1000000000)] = 20
    limit: Annotated[int, Interval(ge=1, le=1000000000000)] = 200


class Arithmetic(DrawnTask):
    """The task arithmetic. The difficulty is the number of operations."""

    name = "arithmetic"
    Options = ArithmeticOptions

    def check_options(self, options: ArithmeticOptions) -> None:
        check_order(options.min_operations, options.max_operations, "operations")
        check_members(options.operators, "operators", "+-*")
        if options.limit < options.maximum:
            raise ValueError(f"options.limit: must be at least options.maximum={options.maximum}")

    def draw(self, rng: random.Random, place: int, options: ArithmeticOptions) -> Problem | None:
        operations = options.min_operations + place % (options.max_operations - options.min_operations + 1)
        term = _expression(rng, operations, options)
        if term is None:
            return None
        return Problem(f"{term.text}=", str(term.value), ",".join(term.steps), task=self.name, difficulty=operations)


def _expression(rng: random.Random, operations: int, options: ArithmeticOptions) -> Term | None:
    if not operations:
        number = randbelow(rng, options.maximum + 1)
        return Term(str(number), number)
    first = randbelow(rng, operations)
    left = _expression(rng, first, options)
    right = _expression(rng, operations - 1 - first, options)
    if left is None or right is None:
        return None
    term = combine(choice(rng, options.operators), left, right)
    return None if term is None or abs(term.value) > options.limit else term
