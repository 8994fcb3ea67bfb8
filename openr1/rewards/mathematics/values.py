"""Compares objects of SymPy exactly: constants, expressions, matrices, relations and sets.

Constants that are not rational are compared by their difference, at a precision that grows until the difference has digits or
there can be none (SymPy's ``evalf``); expressions in variables at several exact points, a test that a wrong identity passes
with a chance of next to nothing (Schwartz and Zippel).
"""

from __future__ import annotations

import math
import random
from typing import Any

TERMS = 10_000  # of a sum or product that is worked out
BITS = 200_000  # of the numbers that evaluating an expression makes
PRECISION = 600  # digits at which a difference that still shows none is zero
SPANS = ((0, 3), (0, 3), (3, 40), (3, 40), (40, 1500), (-3, 0), (-40, -3), (-1500, -40))  # in which variables are tried
WHOLE = 8  # further points of whole numbers
NONE = 1e-250  # relative difference of values that are equal
CLOSE = 1e-12  # relative difference of values that are compared at a higher precision
ENOUGH = 3  # points that must show no difference


def same_values(one: Any, other: Any) -> bool:
    """Tell whether two objects of SymPy are equal: constants, expressions, matrices, relations or sets."""
    try:
        return _same_values(one, other)
    except Exception:  # SymPy refuses what it cannot decide in many ways
        return False


def is_arithmetic(*found: Any) -> bool:
    """Tell whether all are expressions that can be evaluated within bounds."""
    from sympy import Expr

    return all(isinstance(one, Expr) and _bounded(one) for one in found)


def is_evaluable(found: Any) -> bool:
    """Tell whether an object has a value that can be worked out."""
    from sympy import Expr, nan, zoo

    if not isinstance(found, Expr):
        return True
    try:
        return _bounded(found) and not found.doit().has(nan, zoo, *_undone())
    except Exception:  # SymPy cannot work out all that it can read
        return False


def solutions(relation: Any) -> Any:
    """The values of its one variable for which a relation, or all of a chain of them, holds."""
    from sympy import And

    return And(*relation.args).as_set() if not hasattr(relation, "rel_op") else relation.as_set()


def proportional(one: Any, other: Any) -> float | None:
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

    mine, theirs = (each if isinstance(each, Set) else solutions(each) for each in (one, other))
    return mine == theirs or mine.symmetric_difference(theirs) == EmptySet


def _same_relations(one: Any, other: Any) -> bool:
    """The same up to a factor, which is positive between inequalities that point the same way."""
    opposite = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
    if not is_arithmetic(one.lhs, one.rhs, other.lhs, other.rhs):
        return False
    factor = proportional(one.lhs - one.rhs, other.lhs - other.rhs)
    if factor is None:
        return False
    return other.rel_op == (one.rel_op if factor > 0 or one.rel_op in ("==", "!=") else opposite[one.rel_op])


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


def _undone() -> tuple:
    from sympy import Derivative, Integral, Limit, Product, Sum

    return Derivative, Integral, Limit, Product, Sum


def _terms(limit: Any) -> float:
    """The terms of a sum; none are counted where its end is a variable."""
    count = limit[2] - limit[1] if len(limit) == 3 else 0
    return float(count) if getattr(count, "is_Number", False) else 0.0
