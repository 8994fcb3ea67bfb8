"""Exact comparison of objects of SymPy: constants, expressions, matrices, relations and sets.

Irrational constants are compared by their difference, at a precision that grows until the difference has significant digits or
is zero (SymPy's ``evalf``). Expressions in variables are compared at several exact points, a test that a wrong identity passes
with negligible probability (Schwartz and Zippel).
"""

from __future__ import annotations

import math
import random
from typing import Any

TERMS = 10_000  # of a sum or product that is evaluated, at most
BITS = 200_000  # of all numbers in the evaluation of an expression, at most
PRECISION = 600  # digits; a difference without significant digits at this precision is zero
SPANS = ((0, 3), (0, 3), (3, 40), (3, 40), (40, 1500), (-3, 0), (-40, -3), (-1500, -40))  # ranges of the values of variables
WHOLE = 8  # further points of whole numbers
NONE = 1e-250  # relative difference of equal values, at most
CLOSE = 1e-12  # relative difference below which values are compared at a higher precision
ENOUGH = 3  # points at which the values must be equal


def same_values(one: Any, other: Any) -> bool:
    """Tell whether two objects of SymPy are equal: constants, expressions, matrices, relations or sets."""
    try:
        return _same_values(one, other)
    except Exception:  # SymPy may raise anything if it cannot decide
        return False


def is_arithmetic(*values: Any) -> bool:
    """Tell whether all values are expressions that can be evaluated within bounds."""
    from sympy import Expr

    return all(isinstance(value, Expr) and _is_bounded(value) for value in values)


def is_evaluable(value: Any) -> bool:
    """Tell whether an object is not an expression, or an expression that can be evaluated."""
    from sympy import Expr, nan, zoo

    if not isinstance(value, Expr):
        return True
    try:
        return _is_bounded(value) and not value.doit().has(nan, zoo, *_unevaluated_types())
    except Exception:  # SymPy cannot evaluate all that it can parse
        return False


def solve_relation(relation: Any) -> Any:
    """Return the values of the one variable for which a relation, or each of a chain of them, holds."""
    from sympy import And

    return And(*relation.args).as_set() if not hasattr(relation, "rel_op") else relation.as_set()


def find_factor(one: Any, other: Any) -> float | None:
    """Return the factor between two expressions that are multiples of one another; None if they are not."""
    if one.free_symbols != other.free_symbols or not one.free_symbols:
        return None
    points = _sample_points(one.free_symbols)
    base = next((point for point in points if _is_nonzero_number(other, point)), None)
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
        return False  # to SymPy, a symbol is a truth value
    variables = [each.free_symbols for each in (one, other) if not isinstance(each, Set)]
    return all(names == variables[0] and len(names) == 1 for names in variables) and _same_sets(one, other)


def _same_sets(one: Any, other: Any) -> bool:
    from sympy import EmptySet, Set

    mine, theirs = (each if isinstance(each, Set) else solve_relation(each) for each in (one, other))
    return mine == theirs or mine.symmetric_difference(theirs) == EmptySet


def _same_relations(one: Any, other: Any) -> bool:
    """Compare relations up to a factor, which is positive between inequalities in the same direction."""
    opposite = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
    if not is_arithmetic(one.lhs, one.rhs, other.lhs, other.rhs):
        return False
    factor = find_factor(one.lhs - one.rhs, other.lhs - other.rhs)
    if factor is None:
        return False
    return other.rel_op == (one.rel_op if factor > 0 or one.rel_op in ("==", "!=") else opposite[one.rel_op])


def _same_expressions(one: Any, other: Any) -> bool:
    from sympy import oo, zoo

    if not (_is_bounded(one) and _is_bounded(other)):
        return False
    one, other = one.doit(), other.doit()
    if one == other:
        return True
    if one.has(oo, zoo) or other.has(oo, zoo) or one.has(*_unevaluated_types()) or other.has(*_unevaluated_types()):
        return False
    one, other = _replace_functions(one), _replace_functions(other)
    symbols = one.free_symbols | other.free_symbols
    if not symbols:
        return _is_zero(one - other)
    tried, difference = 0, one - other
    for point in _sample_points(symbols):
        mine, theirs = (each.evalf(20, subs=point) for each in (one, other))
        if not (mine.is_number and theirs.is_number and _is_finite(mine) and _is_finite(theirs)):
            continue
        if min(point.values()) < 0 and any(each.as_real_imag()[1] for each in (mine, theirs)):
            continue  # for example a logarithm, which is meant for positive numbers
        size = max(abs(mine), abs(theirs))
        if abs(mine - theirs) > CLOSE * size or not _is_zero(difference, point, size):
            return False
        tried += 1
    return tried >= ENOUGH


def _sample_points(symbols: Any) -> list[dict]:
    """Return points, the same in every call: fractions of either sign, small and large, then whole numbers."""
    from sympy import Integer, Rational

    rng, ordered = random.Random(len(symbols)), sorted(symbols, key=str)
    points = [{symbol: _draw_fraction(rng, *span, Rational) for symbol in ordered} for span in SPANS]
    return points + [{symbol: Integer(rng.choice((2, 3, 4, 6, 8, 9, 12, 15, 24))) for symbol in ordered} for _ in range(WHOLE)]


def _draw_fraction(rng: random.Random, low: int, high: int, rational: Any) -> Any:
    below = rng.choice((7, 11, 13))
    return rational(rng.randrange(low * below + 1, high * below), below)


def _replace_functions(expression: Any) -> Any:
    """Replace undefined functions by variables: ``f(x)`` is equal to itself alone."""
    from sympy import Symbol
    from sympy.core.function import AppliedUndef

    applied = expression.atoms(AppliedUndef)
    return expression.xreplace({term: Symbol(f"{term}", real=True) for term in applied}) if applied else expression


def _is_nonzero_number(expression: Any, point: dict) -> bool:
    value = expression.subs(point)
    return _is_finite(value) and not _is_zero(value)


def _is_finite(value: Any) -> bool:
    from sympy import nan, oo, zoo

    return not value.has(nan, oo, zoo)


def _is_zero(difference: Any, point: dict | None = None, size: Any = 0) -> bool:
    """Tell whether a constant, or an expression at a point, is zero.

    :param size: of the values that were subtracted; a difference that is hundreds of digits smaller is zero.
    """
    if difference.is_Rational:
        return difference == 0
    value = difference.evalf(15, subs=point, maxn=PRECISION)
    if not value.is_number or not _is_finite(value):
        return False
    # evalf leaves one bit of precision if there is no significant digit at its highest precision (SymPy 1.14)
    return all(part == 0 or part._prec == 1 or abs(part) < NONE * size for part in value.as_real_imag())


def _is_bounded(expression: Any) -> bool:
    """Tell whether an expression can be evaluated without huge numbers, such as towers of powers and large factorials."""
    try:
        return _bound_cost(expression)[1] <= BITS
    except (RecursionError, OverflowError):
        return False


def _bound_cost(expression: Any) -> tuple[float, float]:
    """Return upper bounds of the absolute value of an expression, and of the bits of its evaluation."""
    from sympy import Pow, Product, Rational, Sum, binomial, exp, factorial

    if isinstance(expression, Rational):
        bits = expression.p.bit_length() + expression.q.bit_length()
        return (abs(expression.p) / expression.q if bits < 2000 else math.inf), float(bits)
    if not expression.args:
        return 4.0, 16.0
    if isinstance(expression, Sum | Product) and any(_count_terms(limit) > TERMS for limit in expression.limits):
        return math.inf, math.inf
    costs = [_bound_cost(arg) for arg in expression.args]
    bits = sum(cost[1] for cost in costs)
    if isinstance(expression, Pow | exp):
        base, power = costs if isinstance(expression, Pow) else ((3.0, 16.0), costs[0])
        bits += base[1] * max(1.0, power[0])
        size = base[0] ** power[0] if bits < 1000 and base[0] >= 1 else 1.0 if base[0] < 1 else math.inf
        return size, bits
    if isinstance(expression, factorial | binomial):
        size = costs[0][0]
        return (math.inf if size > 100 else math.factorial(int(size) + 1)), bits + (size * 12 if size <= 10_000 else math.inf)
    if expression.is_Mul:
        return math.prod(cost[0] for cost in costs), bits
    return sum(cost[0] for cost in costs), bits


def _unevaluated_types() -> tuple:
    from sympy import Derivative, Integral, Limit, Product, Sum

    return Derivative, Integral, Limit, Product, Sum


def _count_terms(limit: Any) -> float:
    """Count the terms of a sum; 0 if its end is a variable."""
    count = limit[2] - limit[1] if len(limit) == 3 else 0
    return float(count) if getattr(count, "is_Number", False) else 0.0
