"""Compares two readings of answers exactly: no step rounds, and no step takes what is close for what is equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openr1.rewards.mathematics.latex import expression
from openr1.rewards.mathematics.numbers import Number
from openr1.rewards.mathematics.reading import (
    DOTS,
    Bracketed,
    Contradiction,
    Equation,
    Expression,
    Named,
    Ratio,
    Reading,
    Region,
    Several,
    Text,
    Time,
)
from openr1.rewards.mathematics.units import same_unit
from openr1.rewards.mathematics.values import is_arithmetic, is_evaluable, proportional, same_values, solutions

HALF_DAY = 12 * 3600  # seconds


def same(one: Reading, other: Reading) -> bool:
    """Tell whether two readings are equal; names that equations give them do not matter."""
    one, other = _unnamed(one), _unnamed(other)
    if isinstance(one, Contradiction) or isinstance(other, Contradiction):
        return False
    if one == other:
        return True
    if isinstance(one, Number) and isinstance(other, Number):
        return _same_numbers(one, other)
    if isinstance(one, Text) and isinstance(other, Text):
        return one.words == other.words
    if isinstance(one, Text) or isinstance(other, Text):
        words, rest = (one, other) if isinstance(one, Text) else (other, one)
        return (
            isinstance(rest, Expression) and rest.text.isalpha() and len(rest.text) != 2 and rest.text.casefold() == words.words
        )
    if isinstance(one, Time) and isinstance(other, Time):
        return _same_times(one, other)
    if isinstance(one, Ratio) or isinstance(other, Ratio):
        return _same_ratios(one, other)
    if isinstance(one, Region) or isinstance(other, Region):
        return _same_regions(one, other)
    if isinstance(one, Several | Bracketed) or isinstance(other, Several | Bracketed):
        return _same_collections(one, other)
    if isinstance(one, Equation) and isinstance(other, Equation):
        return _same_equations(one, other)
    if isinstance(one, Expression | Number) and isinstance(other, Expression | Number):
        if {one.unit, other.unit} == {"", "degree"} and any("\\pi" in _text(each) for each in (one, other)):
            return False  # radians and degrees
        return same_unit(one.unit, other.unit) and same_values(_sympy(one), _sympy(other))
    return False


def _text(reading: Expression | Number) -> str:
    return reading.text if isinstance(reading, Expression) else ""


def is_constant(reading: Reading) -> bool:
    """Tell whether a reading is a number or an expression without variables."""
    if isinstance(reading, Number):
        return True
    if not isinstance(reading, Expression):
        return False
    from sympy import Expr
    from sympy.core.function import AppliedUndef

    found = expression(reading.text)
    return isinstance(found, Expr) and not found.free_symbols and not found.has(AppliedUndef)


def is_relation(reading: Expression) -> bool:
    """Tell whether an expression is an inequality, or a chain of them."""
    from sympy import Expr
    from sympy.logic.boolalg import Boolean

    found = expression(reading.text)
    return isinstance(found, Boolean) and not isinstance(found, Expr)


def _unnamed(reading: Reading) -> Reading:
    return reading.value if isinstance(reading, Named) else reading


def _same_numbers(gold: Number, answer: Number) -> bool:
    """A percentage may be given without its sign; a number is not answered by a hundred times that number."""
    if not same_unit(gold.unit, answer.unit):
        return False
    if gold.percent == answer.percent:
        return gold.value == answer.value
    if gold.percent:
        return answer.value in (gold.value, gold.value / 100)
    return gold.value == answer.value / 100


def _same_times(one: Time, other: Time) -> bool:
    if one.seconds == other.seconds or bool(one.half) == bool(other.half):
        return one.seconds == other.seconds
    clock, half_known = (one, other) if other.half else (other, one)
    return clock.seconds < 13 * 3600 and clock.seconds % HALF_DAY == half_known.seconds % HALF_DAY


def _same_ratios(one: Reading, other: Reading) -> bool:
    """Ratios are equal to their multiples; one of two numbers also to their quotient."""
    if isinstance(one, Ratio) and isinstance(other, Ratio):
        mine, theirs = ([expression(part) for part in ratio.parts] for ratio in (one, other))
        if len(mine) != len(theirs) or not is_arithmetic(*mine, *theirs):
            return False
        return all(same_values(mine[0] * b, a * theirs[0]) for a, b in zip(mine[1:], theirs[1:], strict=True))
    ratio, rest = (one, other) if isinstance(one, Ratio) else (other, one)
    if not isinstance(rest, Number | Expression) or len(ratio.parts) != 2 or rest.unit or getattr(rest, "percent", False):
        return False
    first, second = map(expression, ratio.parts)
    return is_arithmetic(first, second) and same_values(first, second * _sympy(rest))


def _same_collections(gold: Reading, answer: Reading) -> bool:
    """Sets and lists without brackets in any order, but where dots go on with them; tuples in their order and brackets."""
    gold, answer = _point(gold, answer), _point(answer, gold)
    mine, theirs = (items.items if isinstance(items, Several | Bracketed) else (items,) for items in (gold, answer))
    if _ordered(gold) or _ordered(answer):
        if isinstance(gold, Bracketed) and isinstance(answer, Bracketed):
            equal = gold.brackets == answer.brackets and len(mine) == len(theirs)
            return equal and all(_same_items(a, b) for a, b in zip(mine, theirs, strict=True))
        bracketed, rest = (gold, answer) if isinstance(gold, Bracketed) else (answer, gold)
        if len(bracketed.items) < 2 or not isinstance(rest, Expression):
            return False
        return _same_vectors(bracketed, rest) or _same_regions(bracketed, rest)
    if isinstance(gold, Several) and isinstance(answer, Several):
        if DOTS in mine:
            return len(mine) == len(theirs) and all(_same_items(a, b) for a, b in zip(mine, theirs, strict=True))
        return _matched(list(mine), list(theirs))
    if any(isinstance(one, Bracketed) and _is_set(other) for one, other in ((gold, answer), (answer, gold))):
        return _same_regions(gold, answer)
    bare = isinstance(gold, Bracketed) is not isinstance(answer, Bracketed)
    if bare and any(map(_is_set, (*mine, *theirs))):
        return False  # a set with a set in it is another one
    return _matched(_distinct(mine), _distinct(theirs))


def _same_items(one: Reading, other: Reading) -> bool:
    """Equality within a collection, where a set of one is not its member."""
    return isinstance(one, Bracketed) is isinstance(other, Bracketed) and same(one, other)


def _is_set(reading: Reading) -> bool:
    from sympy import Set

    return isinstance(reading, Expression) and isinstance(expression(reading.text), Set)


def _same_vectors(bracketed: Bracketed, expression_: Expression) -> bool:
    from sympy.matrices import MatrixBase

    found = expression(expression_.text)
    if bracketed.brackets != "()" or not isinstance(found, MatrixBase) or 1 not in found.shape:
        return False
    values = [_sympy(item) if isinstance(item, Expression | Number) else None for item in bracketed.items]
    return len(values) == len(found) and all(same_values(a, b) for a, b in zip(values, found, strict=True))


def _same_regions(one: Reading, other: Reading) -> bool:
    return same_values(_region(one), _region(other))


def _region(reading: Reading) -> Any:
    """The numbers that an interval, a relation, or several of them say; None where SymPy cannot tell."""
    try:
        return _solved(reading)
    except Exception:  # SymPy refuses what it cannot decide in many ways
        return None


def _solved(reading: Reading) -> Any:
    from sympy import Intersection, Set, Union
    from sympy.logic.boolalg import Boolean

    if isinstance(reading, Region):
        sets = [_region(item) for item in reading.items]
        names = {symbol for item in reading.items for symbol in getattr(expression(item.text), "free_symbols", ())}
        if len(names) != 1 or not all(isinstance(one, Set) for one in sets):
            return None
        return (Union if reading.joint == "or" else Intersection)(*sets)
    found = expression(reading.text) if isinstance(reading, Expression | Bracketed) else None
    return (
        solutions(found)
        if isinstance(found, Boolean) and not isinstance(found, Set) and len(found.free_symbols) == 1
        else found
    )


def _point(reading: Reading, other: Reading) -> Reading:
    """``y = 3, x = 2`` as the point (2, 3), where that is what it is compared with."""
    if not (isinstance(reading, Several) and _ordered(other)):
        return reading
    named = [item for item in reading.items if isinstance(item, Named) and len(item.name) == 1]
    if len(named) < len(reading.items) or len({item.name for item in named}) < len(named):
        return reading
    return Bracketed("()", tuple(item.value for item in sorted(named, key=lambda item: item.name)))


def _ordered(reading: Reading) -> bool:
    return isinstance(reading, Bracketed) and reading.brackets != "{}"


def _distinct(items: Sequence[Reading]) -> list[Reading]:
    found: list[Reading] = []
    for item in items:
        if not any(same(item, known) for known in found):
            found.append(item)
    return found


def _matched(mine: list[Reading], theirs: list[Reading]) -> bool:
    """One to one. Items that both name are compared by name: ``a = 1, b = 2`` is not ``a = 2, b = 1``."""
    left = list(theirs)
    for item in mine:
        twin = next(
            (other for other in left if _same_names(item, other) and _same_items(_unnamed(item), _unnamed(other))), None
        )
        if twin is None:
            return False
        left.remove(twin)
    return not left


def _same_names(one: Reading, other: Reading) -> bool:
    return not (isinstance(one, Named) and isinstance(other, Named)) or one.name == other.name


def _same_equations(one: Equation, other: Equation) -> bool:
    """The same up to a factor: ``2x + z = 1`` and ``z = 1 - 2x``."""
    mine, theirs = (_difference(equation) for equation in (one, other))
    return mine is not None and theirs is not None and proportional(mine, theirs) is not None


def _difference(equation: Equation) -> Any:
    left, right = expression(equation.left), expression(equation.right)
    return None if left is None or right is None or not is_arithmetic(left, right) else left - right


def _sympy(reading: Expression | Number) -> Any:
    if isinstance(reading, Expression):
        return expression(reading.text)
    from sympy import Rational

    value = reading.value / 100 if reading.percent else reading.value
    return Rational(value.numerator, value.denominator)


def is_exact(reading: Reading) -> bool:
    """Tell whether a reading can be compared: every part of it has a value that can be evaluated."""
    match reading:
        case Contradiction():
            return False
        case Expression():
            return is_evaluable(expression(reading.text))
        case Named():
            return is_exact(reading.value)
        case Equation():
            return all(is_evaluable(expression(side)) for side in (reading.left, reading.right))
        case Several() | Bracketed():
            return all(is_exact(item) for item in reading.items)
        case Region():
            return _region(reading) is not None
        case Ratio():
            return all(is_evaluable(expression(part)) for part in reading.parts)
    return True
