"""Linear equations: ``3x+5=20:`` by ``3x=20-5=15,x=15/3=5``, and pairs of them, ``2x+3y=13,x-y=-1:``, by elimination of y."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.option_checks import check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import randint


@dataclass
class LinearOptions:
    """Options of linear: ``min_unknowns`` to ``max_unknowns`` unknowns (at most 2), each count equally often. Coefficients are
    from 1 to ``maximum``, solutions from 0 to ``max_solution``, the constant beside a single unknown from 1 to
    ``max_constant``, all of either sign if ``negative``. With ``both_sides``, a single unknown stands on both sides."""

    min_unknowns: Annotated[int, Interval(ge=1, le=2)] = 1
    max_unknowns: Annotated[int, Interval(ge=1, le=2)] = 2
    maximum: Annotated[int, Interval(ge=2, le=1000000000)] = 9
    max_constant: Annotated[int, Interval(ge=1, le=1000000000)] = 50
    max_solution: Annotated[int, Interval(ge=1, le=1000000000)] = 9
    negative: bool = True
    both_sides: bool = False


class Linear(DrawnTask):
    """The task linear. The difficulty is the number of steps: 1 to 3 with one unknown, 4 or 5 with two."""

    name = "linear"
    Options = LinearOptions

    def check_options(self, options: LinearOptions) -> None:
        check_order(options.min_unknowns, options.max_unknowns, "unknowns")

    def draw(self, rng: random.Random, place: int, options: LinearOptions) -> Problem | None:
        unknowns = options.min_unknowns + place % (options.max_unknowns - options.min_unknowns + 1)
        draw = _draw_two_unknowns if unknowns == 2 else _draw_one_unknown
        equations, steps, answer = draw(rng, options) or ([], [], "")
        if not equations:
            return None
        prompt = ",".join(equations) + ":"
        return Problem(prompt, answer, ",".join(steps), task=self.name, difficulty=len(steps))

    def accepts(self, problem: Problem, answer: str) -> bool:
        """Accept the unknowns in any order, with or without spaces."""
        return sorted(answer.replace(" ", "").split(",")) == problem.answer.split(",")


Drawn = tuple[list[str], list[str], str]  # equations, steps, answer


def _draw_one_unknown(rng: random.Random, options: LinearOptions) -> Drawn | None:
    """Draw ``ax+b=d`` or ``ax+b=cx+d``."""
    x, a = _signed(rng, 0, options.max_solution, options), _signed(rng, 1, options.maximum, options)
    b = _signed(rng, 1, options.max_constant, options)
    c = _signed(rng, 1, options.maximum, options) if options.both_sides else 0
    d, factor = (a - c) * x + b, a - c
    if not factor or not (options.negative or d >= 0 < factor):
        return None
    steps = []
    right = _sum((c, "x"), (d, "")) if c else str(d)
    if c:
        steps.append(f"{_sum((factor, 'x'), (b, ''))}={d}")
    steps.append(f"{_sum((factor, 'x'))}={d}{-b:+d}={d - b}")
    if factor != 1:
        steps.append(f"x={d - b}/{factor}={x}")
    return [f"{_sum((a, 'x'), (b, ''))}={right}"], steps, f"x={x}"


def _draw_two_unknowns(rng: random.Random, options: LinearOptions) -> Drawn | None:
    """Draw ``ax+by=e`` and ``cx+dy=f``: multiplying by d and b and subtracting gives x (Cramer's rule), the first gives y."""
    x, y = (_signed(rng, 0, options.max_solution, options) for _ in range(2))
    a, b, c, d = (_signed(rng, 1, options.maximum, options) for _ in range(4))
    e, f, determinant = a * x + b * y, c * x + d * y, a * d - c * b
    if not determinant:
        return None
    steps = [f"{a}*{d}-{c}*{b}={determinant}", f"{e}*{d}-{f}*{b}={determinant * x}"]
    steps.append(f"x={determinant * x}/{determinant}={x}")
    steps.append(f"{_sum((b, 'y'))}={e}-{a}*{x}={b * y}")
    if b != 1:
        steps.append(f"y={b * y}/{b}={y}")
    return [f"{_sum((a, 'x'), (b, 'y'))}={e}", f"{_sum((c, 'x'), (d, 'y'))}={f}"], steps, f"x={x},y={y}"


def _signed(rng: random.Random, low: int, high: int, options: LinearOptions) -> int:
    number = randint(rng, low, high)
    return -number if options.negative and rng.random() < 0.5 else number


def _sum(*terms: tuple[int, str]) -> str:
    """Write ``((3, "x"), (-1, "y"))`` as ``3x-y``, without terms that are zero."""
    text = ""
    for factor, unknown in terms:
        if factor:
            sign = "-" if factor < 0 else "+" if text else ""
            text += sign + ("" if unknown and abs(factor) == 1 else str(abs(factor))) + unknown
    return text
