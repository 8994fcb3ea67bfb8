"""Compares two readings of answers exactly: no step rounds, and no step takes what is close for what is equal.

Numbers are compared as fractions. Constants that are not rational are compared by their difference, at a precision that grows
until the difference has digits or there can be none (SymPy's ``evalf``); expressions in variables at several exact points, a
test that a wrong identity passes with a chance of next to nothing (Schwartz and Zippel).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from openr1.rewards.mathematics.latex import expression
from openr1.rewards.mathematics.numbers import Number, same_unit
from openr1.rewards.mathematics.reading import (
    Bracketed,
    Contradiction,
    Equation,
    Expression,
    Named,
    Ratio,
    Reading,
    Several,
    Text,
    Time,
)

BITS = 200_000  # of the numbers that evaluating an expression makes
HALF_DAY = 12 * 3600  # seconds
PRECISION = 600  # digits at which a difference that still shows none is zero
POINTS = ((3, 7), (11, 5), (13, 17), (-5, 11), (-19, 7))  # fractions from which values of variables are made


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
        return isinstance(rest, Expression) and rest.text.isalpha() and rest.text.casefold() == words.words
    if isinstance(one, Time) and isinstance(other, Time):
        return _same_times(one, other)
    if isinstance(one, Ratio) or isinstance(other, Ratio):
        return _same_ratios(one, other)
    if isinstance(one, Several | Bracketed) or isinstance(other, Several | Bracketed):
        return _same_collections(one, other)
    if isinstance(one, Equation) and isinstance(other, Equation):
        return _same_equations(one, other)
    if isinstance(one, Expression | Number) and isinstance(other, Expression | Number):
        return same_unit(one.unit, other.unit) and same_values(_sympy(one), _sympy(other))
    return False


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
    if isinstance(one, Ratio) and isinstance(other, Ratio):
        return one.parts == other.parts
    ratio, rest = (one, other) if isinstance(one, Ratio) else (other, one)
    if not isinstance(rest, Number) or len(ratio.parts) != 2 or not ratio.parts[1] or rest.unit or rest.percent:
        return False
    return ratio.parts[0] / ratio.parts[1] == rest.value


def _same_collections(gold: Reading, answer: Reading) -> bool:
    """Sets and lists without brackets in any order; tuples in their order, and within the same brackets."""
    gold, answer = _point(gold, answer), _point(answer, gold)
    mine, theirs = (items.items if isinstance(items, Several | Bracketed) else (items,) for items in (gold, answer))
    if _ordered(gold) or _ordered(answer):
        if isinstance(gold, Bracketed) and isinstance(answer, Bracketed):
            equal = gold.brackets == answer.brackets and len(mine) == len(theirs)
            return equal and all(same(a, b) for a, b in zip(mine, theirs, strict=True))
        bracketed, rest = (gold, answer) if isinstance(gold, Bracketed) else (answer, gold)
        return isinstance(rest, Expression) and same_values(expression(bracketed.text), expression(rest.text))
    return _matched(_distinct(mine), _distinct(theirs))


def _point(reading: Reading, other: Reading) -> Reading:
    """``x = 2, y = 3`` as the point (2, 3), where that is what it is compared with."""
    if not (isinstance(reading, Several) and _ordered(other)):
        return reading
    names = [item.name for item in reading.items if isinstance(item, Named)]
    if len(names) < len(reading.items) or names != sorted(set(names)):
        return reading
    return Bracketed("()", tuple(_unnamed(item) for item in reading.items))


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
        twin = next((other for other in left if _same_names(item, other) and same(item, other)), None)
        if twin is None:
            return False
        left.remove(twin)
    return not left


def _same_names(one: Reading, other: Reading) -> bool:
    return not (isinstance(one, Named) and isinstance(other, Named)) or one.name == other.name


def _same_equations(one: Equation, other: Equation) -> bool:
    """The same up to a factor: ``2x + z = 1`` and ``z = 1 - 2x``."""
    mine, theirs = (_difference(equation) for equation in (one, other))
    return mine is not None and theirs is not None and _proportional(mine, theirs) is not None


def _difference(equation: Equation) -> Any:
    left, right = expression(equation.left), expression(equation.right)
    return None if left is None or right is None or not _arithmetic(left, right) else left - right


def _arithmetic(*found: Any) -> bool:
    from sympy import Expr

    return all(isinstance(one, Expr) and _bounded(one) for one in found)


def _sympy(reading: Expression | Number) -> Any:
    if isinstance(reading, Expression):
        return expression(reading.text)
    from sympy import Rational

    value = reading.value / 100 if reading.percent else reading.value
    return Rational(value.numerator, value.denominator)


def same_values(one: Any, other: Any) -> bool:
    """Tell whether two objects of SymPy are equal: constants, expressions, matrices, relations or sets."""
    from sympy import Expr, Set
    from sympy.core.relational import Relational
    from sympy.logic.boolalg import Boolean
    from sympy.matrices import MatrixBase

    if one is None or other is None:
        return False
    if one == other:
        return True
    if isinstance(one, MatrixBase) and isinstance(other, MatrixBase):
        return one.shape == other.shape and all(same_values(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Expr) and isinstance(other, Expr):
        return _same_expressions(one, other)
    if isinstance(one, Relational) and isinstance(other, Relational) and _same_relations(one, other):
        return True
    decided = Set | Boolean
    return isinstance(one, decided) and isinstance(other, decided) and _same_sets(one, other)


def _same_sets(one: Any, other: Any) -> bool:
    from sympy import EmptySet, Set

    try:
        mine, theirs = (each if isinstance(each, Set) else _solutions(each) for each in (one, other))
        return mine == theirs or mine.symmetric_difference(theirs) == EmptySet
    except Exception:  # SymPy refuses what it cannot decide in many ways
        return False


def _solutions(relation: Any) -> Any:
    """The values of its one variable for which a relation, or all of a chain of them, holds."""
    from sympy import And

    return And(*relation.args).as_set() if not hasattr(relation, "rel_op") else relation.as_set()


def _same_relations(one: Any, other: Any) -> bool:
    """The same up to a factor, which is positive between inequalities that point the same way."""
    opposite = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
    if not _arithmetic(one.lhs, one.rhs, other.lhs, other.rhs):
        return False
    factor = _proportional(one.lhs - one.rhs, other.lhs - other.rhs)
    if factor is None:
        return False
    return other.rel_op == (one.rel_op if factor > 0 or one.rel_op in ("==", "!=") else opposite[one.rel_op])


def _proportional(one: Any, other: Any) -> float | None:
    """The factor between two expressions that are multiples of one another, None where they are not."""
    if one.free_symbols != other.free_symbols or not one.free_symbols:
        return None
    points = _points(one.free_symbols)
    base = next((point for point in points if _number(other, point)), None)
    if base is None:
        return None
    factor = one.subs(base) / other.subs(base)
    value = factor.evalf(20)
    if not value.is_real or value == 0:
        return None
    return float(value) if _same_expressions(one, factor * other) else None


def _same_expressions(one: Any, other: Any) -> bool:
    from sympy import oo, zoo

    if not (_bounded(one) and _bounded(other)):
        return False
    one, other = one.doit(), other.doit()
    if one == other:
        return True
    if one.has(oo, zoo) or other.has(oo, zoo):
        return False
    one, other = _without_functions(one), _without_functions(other)
    if not (one.free_symbols or other.free_symbols):
        return _zero(one - other)
    tried = 0
    for number, point in enumerate(_points(one.free_symbols | other.free_symbols)):
        mine, theirs = one.subs(point), other.subs(point)
        if any(not _finite(value) or (number >= 3 and value.is_real is False) for value in (mine, theirs)):
            continue
        if not _zero(mine - theirs):
            return False
        tried += 1
    return tried >= 2


def _points(symbols: Any) -> list[dict]:
    """Exact values of variables: positive ones, then some of either sign."""
    from sympy import Rational

    numbered = list(enumerate(sorted(symbols, key=str)))
    return [
        {symbol: Rational(above + (2 if above > 0 else -2) * i, below + i) for i, symbol in numbered} for above, below in POINTS
    ]


def _without_functions(found: Any) -> Any:
    """Functions that nothing is known of as variables: ``f(x)`` is equal to itself alone."""
    from sympy import Symbol
    from sympy.core.function import AppliedUndef

    applied = found.atoms(AppliedUndef)
    return found.xreplace({one: Symbol(f"{one}", real=True) for one in applied}) if applied else found


def _number(found: Any, point: dict) -> bool:
    value = found.subs(point)
    return _finite(value) and not _zero(value)


def _finite(value: Any) -> bool:
    from sympy import nan, oo, zoo

    return not value.has(nan, oo, zoo)


def _zero(difference: Any) -> bool:
    """Tell whether a constant is zero."""
    if difference.is_Rational:
        return difference == 0
    value = difference.evalf(15, maxn=PRECISION)
    if not value.is_number or value.has(*_undefined()):
        return False
    # evalf leaves one bit of precision to what has no digit at its highest
    return all(part == 0 or part._prec == 1 for part in value.as_real_imag())


def _undefined() -> tuple:
    from sympy import nan, oo, zoo

    return nan, oo, zoo


def _bounded(found: Any) -> bool:
    """Tell whether an expression can be evaluated without numbers beyond all bounds: towers of powers, large factorials."""
    try:
        return _cost(found)[1] <= BITS
    except (RecursionError, OverflowError):
        return False


def _cost(found: Any) -> tuple[float, float]:
    """Upper bounds of the size of an expression's value, and of the bits that evaluating it takes."""
    from sympy import Pow, Rational, binomial, exp, factorial

    if isinstance(found, Rational):
        bits = found.p.bit_length() + found.q.bit_length()
        return (abs(found.p) / found.q if bits < 2000 else math.inf), float(bits)
    if not found.args:
        return 4.0, 16.0
    costs = [_cost(arg) for arg in found.args]
    bits = sum(cost[1] for cost in costs)
    if isinstance(found, Pow | exp):
        base, power = costs if isinstance(found, Pow) else ((3.0, 16.0), costs[0])
        bits += base[1] * max(1.0, power[0])
        size = base[0] ** power[0] if bits < 1000 and base[0] >= 1 else 1.0 if base[0] < 1 else math.inf
        return size, bits
    if isinstance(found, factorial | binomial):
        size = costs[0][0]
        return (math.inf if size > 100 else math.factorial(int(size) + 1)), bits + (size * 12 if size <= 10_000 else math.inf)
    if found.is_Mul:
        return math.prod(cost[0] for cost in costs), bits
    return sum(cost[0] for cost in costs), bits


def is_exact(reading: Reading) -> bool:
    """Tell whether a reading can be compared: every part of it has a value that can be evaluated."""
    match reading:
        case Contradiction():
            return False
        case Expression():
            return _evaluable(expression(reading.text))
        case Named():
            return is_exact(reading.value)
        case Equation():
            return all(_evaluable(expression(side)) for side in (reading.left, reading.right))
        case Several() | Bracketed():
            return all(is_exact(item) for item in reading.items)
    return True


def _evaluable(found: Any) -> bool:
    from sympy import Expr

    if not isinstance(found, Expr):
        return True
    return _bounded(found) and not (found.has(*_undone()) and found.doit().has(*_undone()))


def _undone() -> tuple:
    from sympy import Derivative, Integral, Limit, Product, Sum

    return Derivative, Integral, Limit, Product, Sum
