"""Countdown: ``make 82 from 3,7,25,50:`` with every number once, as in ``(50-25)*3+7``. Every expression that does so is right.

The rules are those of TinyZero's task: all numbers, each exactly once, with ``+ - * /`` and brackets.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.expressions import Term, combine, evaluate
from openr1.data.tasks.option_checks import check_members, check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randbelow, randint

PROMPT = re.compile(r"make (\d+) from ([\d,]+):")


@dataclass
class CountdownOptions:
    """Options of countdown: ``min_numbers`` to ``max_numbers`` numbers, each count equally often, from 1 to ``maximum``;
    targets from 1 to ``max_target``. The oracle's solution uses only ``operators`` (any of ``+-*/``) and positive whole
    numbers; answers need not."""

    min_numbers: Annotated[int, Interval(ge=2, le=100)] = 3
    max_numbers: Annotated[int, Interval(ge=2, le=100)] = 4
    maximum: Annotated[int, Interval(ge=2, le=1000000000)] = 25
    max_target: Annotated[int, Interval(ge=1, le=1000000000)] = 99
    operators: str = "+-*"


class Countdown(DrawnTask):
    """The task countdown. The difficulty is the number of operations, one fewer than the numbers."""

    name = "countdown"
    Options = CountdownOptions

    def check_options(self, options: CountdownOptions) -> None:
        check_order(options.min_numbers, options.max_numbers, "numbers")
        check_members(options.operators, "operators", "+-*/")

    def draw(self, rng: random.Random, place: int, options: CountdownOptions) -> Problem | None:
        count = options.min_numbers + place % (options.max_numbers - options.min_numbers + 1)
        numbers = sorted(randint(rng, 1, options.maximum) for _ in range(count))
        terms, steps = [Term(str(number), number) for number in numbers], list[str]()
        while len(terms) > 1:
            left, right = (terms.pop(randbelow(rng, len(terms))) for _ in range(2))
            operator = choice(rng, options.operators)
            if operator in "-/" and left.value < right.value:
                left, right = right, left
            term = combine(operator, left, right)
            if term is None or term.value < 1:
                return None
            steps.append(term.steps[-1])
            terms.append(term)
        target = terms[0]
        if target.value > options.max_target:
            return None
        prompt = f"make {target.value} from {','.join(map(str, numbers))}:"
        return Problem(prompt, target.text, ",".join(steps), task=self.name, difficulty=count - 1)

    def accepts(self, problem: Problem, answer: str) -> bool:
        """Accept any expression of the numbers that has the target's value; ``= target`` may follow it."""
        prompt = PROMPT.fullmatch(problem.prompt)
        if not prompt:
            return super().accepts(problem, answer)
        target, numbers = prompt.groups()
        evaluated = evaluate(re.sub(rf"\s*=\s*{target}$", "", answer))
        if evaluated is None:
            return False
        value, used = evaluated
        return value == int(target) and sorted(used) == sorted(map(int, numbers.split(",")))
