"""Compares two readings of answers exactly: no step rounds, and no step takes what is close for what is equal.

Numbers are compared as fractions. Constants that are not rational are compared by their difference, at a precision that grows
until the difference has digits or there can be none (SymPy's ``evalf``); expressions in variables at several exact points, a
test that a wrong identity passes with a chance of next to nothing (Schwartz and Zippel).
"""

from __future__ import annotations

import math
import random
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

TERMS = 10_000  # of a sum or product that is worked out
BITS = 200_000  # of the numbers that evaluating an expression makes
HALF_DAY = 12 * 3600  # seconds
PRECISION = 600  # digits at which a difference that still shows none is zero
SPANS = ((0, 3), (0, 3), (3, 40), (3, 40), (40, 1500), (-3, 0), (-40, -3), (-1500, -40))  # in which variables are tried
WHOLE = 8  # further points of whole numbers
NONE = 1e-250  # relative difference of values that are equal
CLOSE = 1e-12  # relative difference of values that are compared at a higher precision
ENOUGH = 3  # points that must show no difference


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
        if len(mine) != len(theirs) or not _arithmetic(*mine, *theirs):
            return False
        return all(same_values(mine[0] * b, a * theirs[0]) for a, b in zip(mine[1:], theirs[1:], strict=True))
    ratio, rest = (one, other) if isinstance(one, Ratio) else (other, one)
    if not isinstance(rest, Number | Expression) or len(ratio.parts) != 2 or rest.unit or getattr(rest, "percent", False):
        return False
    first, second = map(expression, ratio.parts)
    return _arithmetic(first, second) and same_values(first, second * _sympy(rest))


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
        _solutions(found)
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
    try:
        return _same_values(one, other)
    except Exception:  # SymPy refuses what it cannot decide in many ways
        return False


def _same_values(one: Any, other: Any) -> bool:
    from sympy import Expr, Set
    from sympy.core.relational import Relational
    from sympy.logic.boolalg import Boolean
    from sympy.matrices import MatrixBase

    if one is None or other is None:
        return False
    if one == other:
        return True
    if isinstance(one, MatrixBase) is not isinstance(other, MatrixBase):
        return False
    if isinstance(one, MatrixBase) and isinstance(other, MatrixBase):
        return one.shape == other.shape and all(same_values(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Expr) and isinstance(other, Expr):
        return _same_expressions(one, other)
    if isinstance(one, Relational) and isinstance(other, Relational) and _same_relations(one, other):
        return True
    decided = Set | Boolean
    if isinstance(one, Expr) or isinstance(other, Expr) or not (isinstance(one, decided) and isinstance(other, decided)):
        return False  # a symbol is a truth value to SymPy
    variables = [each.free_symbols for each in (one, other) if not isinstance(each, Set)]
    return all(names == variables[0] and len(names) == 1 for names in variables) and _same_sets(one, other)


def _same_sets(one: Any, other: Any) -> bool:
    from sympy import EmptySet, Set

    mine, theirs = (each if isinstance(each, Set) else _solutions(each) for each in (one, other))
    return mine == theirs or mine.symmetric_difference(theirs) == EmptySet


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
    if one.has(oo, zoo) or other.has(oo, zoo) or one.has(*_undone()) or other.has(*_undone()):
        return False
    one, other = _without_functions(one), _without_functions(other)
    symbols = one.free_symbols | other.free_symbols
    if not symbols:
        return _zero(one - other)
    tried, difference = 0, one - other
    for point in _points(symbols):
        mine, theirs = (each.evalf(20, subs=point) for each in (one, other))
        if not (mine.is_number and theirs.is_number and _finite(mine) and _finite(theirs)):
            continue
        if min(point.values()) < 0 and any(each.as_real_imag()[1] for each in (mine, theirs)):
            continue  # as of a logarithm, which is meant for positive numbers
        size = max(abs(mine), abs(theirs))
        if abs(mine - theirs) > CLOSE * size or not _zero(difference, point, size):
            return False
        tried += 1
    return tried >= ENOUGH


def _points(symbols: Any) -> list[dict]:
    """Exact values of variables, the same every time: fractions of either sign, near and far, then whole numbers."""
    from sympy import Integer, Rational

    rng, ordered = random.Random(len(symbols)), sorted(symbols, key=str)
    points = [{symbol: _drawn(rng, *span, Rational) for symbol in ordered} for span in SPANS]
    return points + [{symbol: Integer(rng.choice((2, 3, 4, 6, 8, 9, 12, 15, 24))) for symbol in ordered} for _ in range(WHOLE)]


def _drawn(rng: random.Random, low: int, high: int, rational: Any) -> Any:
    below = rng.choice((7, 11, 13))
    return rational(rng.randrange(low * below + 1, high * below), below)


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


def _zero(difference: Any, point: dict | None = None, size: Any = 0) -> bool:
    """Tell whether a constant, or an expression at a point, is zero.

    :param size: of what was subtracted; a difference that is smaller by hundreds of digits is none.
    """
    if difference.is_Rational:
        return difference == 0
    value = difference.evalf(15, subs=point, maxn=PRECISION)
    if not value.is_number or not _finite(value):
        return False
    # evalf leaves one bit of precision to what has no digit at its highest
    return all(part == 0 or part._prec == 1 or abs(part) < NONE * size for part in value.as_real_imag())


def _bounded(found: Any) -> bool:
    """Tell whether an expression can be evaluated without numbers beyond all bounds: towers of powers, large factorials."""
    try:
        return _cost(found)[1] <= BITS
    except (RecursionError, OverflowError):
        return False


def _cost(found: Any) -> tuple[float, float]:
    """Upper bounds of the size of an expression's value, and of the bits that evaluating it takes."""
    from sympy import Pow, Product, Rational, Sum, binomial, exp, factorial

    if isinstance(found, Rational):
        bits = found.p.bit_length() + found.q.bit_length()
        return (abs(found.p) / found.q if bits < 2000 else math.inf), float(bits)
    if not found.args:
        return 4.0, 16.0
    if isinstance(found, Sum | Product) and any(_terms(limit) > TERMS for limit in found.limits):
        return math.inf, math.inf
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
        case Region():
            return _region(reading) is not None
        case Ratio():
            return all(_evaluable(expression(part)) for part in reading.parts)
    return True


def _evaluable(found: Any) -> bool:
    from sympy import Expr, nan, zoo

    if not isinstance(found, Expr):
        return True
    try:
        return _bounded(found) and not found.doit().has(nan, zoo, *_undone())
    except Exception:  # SymPy cannot work out all that it can read
        return False


def _undone() -> tuple:
    from sympy import Derivative, Integral, Limit, Product, Sum

    return Derivative, Integral, Limit, Product, Sum


def _terms(limit: Any) -> float:
    """The terms of a sum; none are counted where its end is a variable."""
    count = limit[2] - limit[1] if len(limit) == 3 else 0
    return float(count) if getattr(count, "is_Number", False) else 0.0
