"""Lists of numbers, item by item: ``sort 5,3,9:``, ``keep >4 5,2,8:``, ``add 3 to 5,2,8:``, ``dedupe 1,2,1:``."""

from __future__ import annotations

import random
from bisect import insort
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval, MinLen

from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.option_checks import check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randbelow, randint
from openr1.options.ranges import OneOf

OPERATIONS = ("sort", "filter", "map", "dedupe")
NOTHING = "none"


@dataclass
class ListsOptions:
    """Options of lists: ``operations`` on ``min_items`` to ``max_items`` numbers, each length equally often, from 0 to
    ``maximum``."""

    operations: Annotated[list[Annotated[str, OneOf(OPERATIONS)]], MinLen(1)] = field(default_factory=lambda: list(OPERATIONS))
    min_items: Annotated[int, Interval(ge=1, le=1000)] = 3
    max_items: Annotated[int, Interval(ge=1, le=1000)] = 6
    maximum: Annotated[int, Interval(ge=1, le=1000000000)] = 20


class Lists(DrawnTask):
    """The task lists. The difficulty is the number of items, each of which is a step."""

    name = "lists"
    Options = ListsOptions

    def check_options(self, options: ListsOptions) -> None:
        check_order(options.min_items, options.max_items, "items")

    def draw(self, rng: random.Random, place: int, options: ListsOptions) -> Problem:
        count = options.min_items + place % (options.max_items - options.min_items + 1)
        operation = choice(rng, options.operations)
        items = [randbelow(rng, options.maximum + 1) for _ in range(count)]
        if operation == "dedupe":
            items = [choice(rng, items[: count - count // 3]) for _ in items]
        instruction, steps, result = DRAWS[operation](rng, items, options.maximum)
        prompt = f"{instruction} {_joined(items)}:"
        return Problem(prompt, _joined(result) or NOTHING, ";".join(steps), task=self.name, difficulty=count)

    def accepts(self, problem: Problem, answer: str) -> bool:
        """Accept the list with or without spaces."""
        return answer.replace(" ", "") == problem.answer


Drawn = tuple[str, list[str], list[int]]  # instruction, steps, result


def _sort(rng: random.Random, items: list[int], maximum: int) -> Drawn:
    """Sort the items; a step is the sorted items so far."""
    ordered: list[int] = []
    steps: list[str] = []
    for item in items:
        insort(ordered, item)
        steps.append(_joined(ordered))
    return "sort", steps, ordered


def _filter(rng: random.Random, items: list[int], maximum: int) -> Drawn:
    """Keep some of the items; a step is an item, and yes or no."""
    condition, bound = choice(rng, ("even", "odd", ">", "<")), randbelow(rng, maximum + 1)
    keeps = {
        "even": lambda item: item % 2 == 0,
        "odd": lambda item: item % 2 == 1,
        ">": lambda item: item > bound,
        "<": lambda item: item < bound,
    }[condition]
    steps = [f"{item} {'yes' if keeps(item) else 'no'}" for item in items]
    return f"keep {condition}{bound if condition in '<>' else ''}", steps, [item for item in items if keeps(item)]


def _map(rng: random.Random, items: list[int], maximum: int) -> Drawn:
    """Add to or multiply each item; a step is the operation on an item."""
    operator, number = choice(rng, "+*"), randint(rng, 2, 9)
    result = [item + number if operator == "+" else item * number for item in items]
    steps = [f"{item}{operator}{number}={value}" for item, value in zip(items, result, strict=True)]
    return f"add {number} to" if operator == "+" else f"multiply by {number}", steps, result


def _dedupe(rng: random.Random, items: list[int], maximum: int) -> Drawn:
    """Remove repeated items; a step is the distinct items so far, in the order of their first place."""
    ends = range(1, len(items) + 1)
    return "dedupe", [_joined(dict.fromkeys(items[:end])) for end in ends], list(dict.fromkeys(items))


DRAWS = {"sort": _sort, "filter": _filter, "map": _map, "dedupe": _dedupe}


def _joined(items: list[int] | dict[int, None]) -> str:
    return ",".join(map(str, items))
