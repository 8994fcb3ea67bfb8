"""Readings of answers: a number, a time, a ratio, words, an equation, a list, a set, an expression."""

from __future__ import annotations

from dataclasses import dataclass, field

from openr1.rewards.mathematics.numbers import Number


@dataclass(frozen=True)
class Based:
    """A number with a base, such as ``345_6``."""

    value: int
    base: int


@dataclass(frozen=True)
class Time:
    """A time of day, or a duration in the form of one, in seconds; ``half`` is a, p or empty."""

    seconds: int
    half: str = ""


@dataclass(frozen=True)
class Ratio:
    """A ratio of two or more expressions, as texts."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """Words, in lower case."""

    words: str


@dataclass(frozen=True)
class Named:
    """A value with the name that an equation gives it, such as ``x = 5``. The value of a chain is its last member."""

    name: str
    value: Reading
    left: str = field(default="", compare=False)  # the sides of the equation, if it has two that are expressions
    right: str = field(default="", compare=False)


@dataclass(frozen=True)
class Equation:
    """An equation that names no value, such as ``x^2 + y^2 = 1``: its two sides, and the reading of its last member."""

    left: str
    right: str
    value: Reading | None


@dataclass(frozen=True)
class Several:
    """A list without brackets: ``2, 5``, ``2 or 5``, ``\\pm 3``."""

    items: tuple[Reading, ...]


@dataclass(frozen=True)
class Bracketed:
    """A tuple, an interval or, with braces, a set."""

    brackets: str  # "()", "[)", "{}", ...
    items: tuple[Reading, ...]
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class Expression:
    """An expression, which :func:`openr1.rewards.mathematics.latex.parse_expression` reads to its end."""

    text: str
    unit: str = ""


@dataclass(frozen=True)
class Region:
    """Several relations of one variable: ``x < 1 or x > 2``."""

    items: tuple[Expression, ...]
    joint: str  # and, or


@dataclass(frozen=True)
class Contradiction:
    """A chain of equations whose numbers differ, such as ``1 = 2 = 3``, which is not an answer."""

    text: str


Reading = Number | Based | Time | Ratio | Text | Named | Equation | Several | Bracketed | Expression | Region | Contradiction
DOTS = Text("...")
