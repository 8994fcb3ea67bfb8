"""Small programs: ``Read integers. Keep the even ones. Print the sum.``, with tests of standard input and output.

The oracle's program has one line per sentence, and its reasoning applies each line to the numbers of the first test.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import CodeType
from typing import Annotated, NamedTuple

from annotated_types import Interval

from openr1.data.hashing import hash64
from openr1.data.tasks.base import DrawnTask
from openr1.data.tasks.option_checks import check_order
from openr1.data.tasks.problem import Problem
from openr1.data.tasks.rng import choice, randint

READ = "n=list(map(int,input().split()))"


class Line(NamedTuple):
    """A sentence and its expression in the numbers ``n``; both may contain a constant ``k``."""

    sentence: str
    expression: str
    least: int = 0  # least value of the constant


CHANGES = (
    Line("Keep the even ones", "[x for x in n if x%2==0]"),
    Line("Keep the odd ones", "[x for x in n if x%2==1]"),
    Line("Keep those above {k}", "[x for x in n if x>{k}]"),
    Line("Keep those below {k}", "[x for x in n if x<{k}]"),
    Line("Add {k} to each", "[x+{k} for x in n]", 1),
    Line("Multiply each by {k}", "[x*{k} for x in n]", 2),
    Line("Square each", "[x*x for x in n]"),
    Line("Sort them", "sorted(n)"),
    Line("Reverse their order", "n[::-1]"),
    Line("Drop repeats", "list(dict.fromkeys(n))"),
)
ENDS = (
    Line("Print the sum", "sum(n)"),
    Line("Print how many there are", "len(n)"),
    Line("Print the largest or none", "max(n,default='none')"),
    Line("Print the smallest or none", "min(n,default='none')"),
    Line("Print them", "*n"),
)


@dataclass
class CodeOptions:
    """Options of code: ``min_changes`` to ``max_changes`` changes of the numbers before the line that prints, each count
    equally often while there are new programs, with constants up to ``maximum``; ``tests`` tests per problem, of up to
    ``max_items`` numbers."""

    min_changes: Annotated[int, Interval(ge=1, le=100)] = 1
    max_changes: Annotated[int, Interval(ge=1, le=100)] = 3
    maximum: Annotated[int, Interval(ge=2, le=1000000000)] = 9
    max_items: Annotated[int, Interval(ge=4, le=1000)] = 8
    tests: Annotated[int, Interval(ge=3, le=1000)] = 8


class Code(DrawnTask):
    """The task code. The difficulty is the number of lines that change the numbers.

    The first test has four numbers, the second none, and no program with constant output passes.
    """

    name = "code"
    Options = CodeOptions

    def check_options(self, options: CodeOptions) -> None:
        check_order(options.min_changes, options.max_changes, "changes")

    def draw(self, rng: random.Random, place: int, options: CodeOptions) -> Problem | None:
        # not by place, since there are few programs with one change
        lines = [choice(rng, CHANGES) for _ in range(randint(rng, options.min_changes, options.max_changes))]
        if any(line is following for line, following in pairwise(lines)):
            return None
        filled = [_fill(line, randint(rng, line.least, options.maximum)) for line in (*lines, choice(rng, ENDS))]
        prompt = "Read integers. " + " ".join(f"{line.sentence}." for line in filled)
        inputs = _inputs(prompt, options)
        outputs = [_values(filled, numbers) for numbers in inputs]
        if len({values[-1] for values in outputs}) < 3:
            return None
        program = [READ, *(f"n={line.expression}" for line in filled[:-1]), f"print({filled[-1].expression})"]
        steps = zip(filled, outputs[0], strict=True)
        comments = [_text(inputs[0]), *(f"{line.sentence}: {value or 'none'}" for line, value in steps)]
        tests = tuple((f"{_text(numbers)}\n", f"{values[-1]}\n") for numbers, values in zip(inputs, outputs, strict=True))
        trace = "\n".join([*(f"# {line}" for line in comments), *program])
        return Problem(prompt, "", trace, "code", tests, task=self.name, difficulty=len(lines))


def _fill(line: Line, k: int) -> Line:
    return Line(line.sentence.format(k=k), line.expression.format(k=k))


def _inputs(prompt: str, options: CodeOptions) -> list[list[int]]:
    """Draw the inputs of the tests from the prompt alone: numbers of either sign near the constants, a quarter repeated."""
    rng = random.Random(hash64("code", prompt))
    inputs = []
    for size in (4, 0, *(randint(rng, 1, options.max_items) for _ in range(options.tests - 2))):
        numbers: list[int] = []
        for _ in range(size):
            repeated = numbers and rng.random() < 0.25
            numbers.append(choice(rng, numbers) if repeated else randint(rng, -options.maximum // 2, 2 * options.maximum))
        inputs.append(numbers)
    return inputs


def _values(lines: list[Line], numbers: list[int]) -> list[str]:
    """Return the numbers after each line, and the output of the last, as text."""
    texts = []
    for line in lines[:-1]:
        numbers = eval(_compiled(line.expression), {"n": numbers})
        texts.append(_text(numbers))
    end = lines[-1].expression
    return [*texts, _text(numbers) if end == "*n" else str(eval(_compiled(end), {"n": numbers}))]


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> CodeType:
    return compile(expression, "<line>", "eval")


def _text(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))
