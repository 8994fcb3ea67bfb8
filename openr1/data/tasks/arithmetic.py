"""Expressions: ``3*(4+5)-2=`` is 25, one operation a step: ``4+5=9,3*9=27,27-2=25``."""

from __future__ import annotations

import random
from dataclasses import dataclass

from openr1.data.tasks.base import DrawnTask, Problem
from openr1.data.tasks.expressions import Term, combine
from openr1.data.tasks.rng import below, check_least, check_members, check_range, pick


@dataclass
class ArithmeticOptions:
    """``min_operations`` to ``max_operations``, each equally often, of ``operators`` on numbers from 0 to ``maximum``, where no
    result on the way, positive or negative, is above ``limit``."""

    min_operations: int = 2
    max_operations: int = 4
    operators: str = "+-*"
    maximum: int = 20
    limit: int = 200


class Arithmetic(DrawnTask):
    """Difficulty: the operations."""

    name = "arithmetic"
    Options = ArithmeticOptions

    def check(self, options: ArithmeticOptions) -> None:
        check_range(options.min_operations, options.max_operations, "operations", 1)
        check_members(options.operators, "operators", "+-*")
        check_least(options, maximum=1, limit=options.maximum)

    def draw(self, rng: random.Random, place: int, options: ArithmeticOptions) -> Problem | None:
        operations = options.min_operations + place % (options.max_operations - options.min_operations + 1)
        term = _expression(rng, operations, options)
        if term is None:
            return None
        return Problem(f"{term.text}=", str(term.value), ",".join(term.steps), task=self.name, difficulty=operations)


def _expression(rng: random.Random, operations: int, options: ArithmeticOptions) -> Term | None:
    if not operations:
        number = below(rng, options.maximum + 1)
        return Term(str(number), number)
    first = below(rng, operations)
    left = _expression(rng, first, options)
    right = _expression(rng, operations - 1 - first, options)
    if left is None or right is None:
        return None
    term = combine(pick(rng, options.operators), left, right)
    return None if abs(term.value) > options.limit else term
