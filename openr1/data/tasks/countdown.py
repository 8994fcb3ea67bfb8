"""Countdown: ``make 82 from 3,7,25,50:`` with every number once, as in ``(50-25)*3+7``. Any expression that does it is right.

The rules are those of TinyZero's task: all numbers, each exactly once, with ``+ - * /`` and brackets.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from openr1.data.tasks.base import DrawnTask, Problem
from openr1.data.tasks.expressions import Term, combine, read
from openr1.data.tasks.rng import below, between, check_least, check_members, check_range, pick

PROMPT = re.compile(r"make (\d+) from ([\d,]+):")


@dataclass
class CountdownOptions:
    """``min_numbers`` to ``max_numbers``, each equally often, from 1 to ``maximum``; targets from 1 to ``max_target``. The
    oracle's way keeps to ``operators`` (any of ``+-*/``) and to positive whole numbers; answers need not."""

    min_numbers: int = 3
    max_numbers: int = 4
    maximum: int = 25
    max_target: int = 99
    operators: str = "+-*"


class Countdown(DrawnTask):
    """Difficulty: the operations, one fewer than the numbers."""

    name = "countdown"
    Options = CountdownOptions

    def check(self, options: CountdownOptions) -> None:
        check_range(options.min_numbers, options.max_numbers, "numbers", 2)
        check_members(options.operators, "operators", "+-*/")
        check_least(options, maximum=2, max_target=1)

    def draw(self, rng: random.Random, place: int, options: CountdownOptions) -> Problem | None:
        count = options.min_numbers + place % (options.max_numbers - options.min_numbers + 1)
        numbers = sorted(between(rng, 1, options.maximum) for _ in range(count))
        terms, steps = [Term(str(number), number) for number in numbers], []
        while len(terms) > 1:
            left, right = (terms.pop(below(rng, len(terms))) for _ in range(2))
            operator = pick(rng, options.operators)
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
        """Any expression of the numbers that has the target's value; ``= target`` may follow it."""
        asked = PROMPT.fullmatch(problem.prompt)
        if not asked:
            return super().accepts(problem, answer)
        target, numbers = asked.groups()
        found = read(re.sub(rf"\s*=\s*{target}$", "", answer))
        return found is not None and found[0] == int(target) and sorted(found[1]) == sorted(map(int, numbers.split(",")))
