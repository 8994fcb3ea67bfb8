"""Exact comparison of two readings of answers: no step rounds, and no step takes close values for equal ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openr1.rewards.mathematics.latex import parse_expression
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
from openr1.rewards.mathematics.values import find_factor, is_arithmetic, is_evaluable, same_values, solve_relation

HALF_DAY = 12 * 3600  # seconds


def are_equal(one: Reading, other: Reading) -> bool:
    """Tell whether two readings are equal, whatever names equations give them."""
    one, other = _strip_name(one), _strip_name(other)
    if isinstance(one, Contradiction) or isinstance(other, Contradiction):
        return False
    if one == other:
        return True
    if isinstance(one, Number) and isinstance(other, Number):
        return _same_numbers(one, other)
    if isinstance(one, Text) and isinstance(other, Text):
        return one.words == other.words
    if isinstance(one, Text):
        return _is_word(other, one)
    if isinstance(other, Text):
        return _is_word(one, other)
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
        if {one.unit, other.unit} == {"", "degree"} and any("\\pi" in _text_of(each) for each in (one, other)):
            return False  # radians and degrees
        return same_unit(one.unit, other.unit) and same_values(_to_sympy(one), _to_sympy(other))
    return False


def _is_word(reading: Reading, words: Text) -> bool:
    """Tell whether an expression is the letters of a word, such as a product of variables that spells it."""
    text = reading.text if isinstance(reading, Expression) else ""
    return text.isalpha() and len(text) != 2 and text.casefold() == words.words


def _text_of(reading: Expression | Number) -> str:
    return reading.text if isinstance(reading, Expression) else ""


def is_constant(reading: Reading) -> bool:
    """Tell whether a reading is a number or an expression without variables."""
    if isinstance(reading, Number):
        return True
    if not isinstance(reading, Expression):
        return False
    from sympy import Expr
    from sympy.core.function import AppliedUndef

    parsed = parse_expression(reading.text)
    return isinstance(parsed, Expr) and not parsed.free_symbols and not parsed.has(AppliedUndef)


def is_relation(reading: Expression) -> bool:
    """Tell whether an expression is an inequality, or a chain of them."""
    from sympy import Expr
    from sympy.logic.boolalg import Boolean

    parsed = parse_expression(reading.text)
    return isinstance(parsed, Boolean) and not isinstance(parsed, Expr)


def _strip_name(reading: Reading) -> Reading:
    return reading.value if isinstance(reading, Named) else reading


def _same_numbers(gold: Number, answer: Number) -> bool:
    """Compare numbers. The sign of a gold percentage may be left out; a hundred times a gold number is wrong."""
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
    """Compare ratios, which are equal to their multiples; a ratio of two numbers is also equal to their quotient."""
    if isinstance(one, Ratio) and isinstance(other, Ratio):
        mine, theirs = _parse_parts(one), _parse_parts(other)
        if len(mine) != len(theirs) or not is_arithmetic(*mine, *theirs):
            return False
        return all(same_values(mine[0] * b, a * theirs[0]) for a, b in zip(mine[1:], theirs[1:], strict=True))
    if isinstance(one, Ratio):
        return _is_quotient(one, other)
    return isinstance(other, Ratio) and _is_quotient(other, one)


def _parse_parts(ratio: Ratio) -> list[Any]:
    return [parse_expression(part) for part in ratio.parts]


def _is_quotient(ratio: Ratio, reading: Reading) -> bool:
    if not isinstance(reading, Number | Expression) or len(ratio.parts) != 2 or reading.unit:
        return False
    if isinstance(reading, Number) and reading.percent:
        return False
    first, second = _parse_parts(ratio)
    value = _to_sympy(reading)
    return is_arithmetic(first, second, value) and same_values(first, second * value)


def _same_collections(gold: Reading, answer: Reading) -> bool:
    """Compare collections: tuples with order and brackets; sets and lists in any order, unless a list goes on with dots."""
    gold, answer = _to_point(gold, answer), _to_point(answer, gold)
    mine, theirs = _items_of(gold), _items_of(answer)
    if _is_ordered(gold) or _is_ordered(answer):
        if isinstance(gold, Bracketed) and isinstance(answer, Bracketed):
            equal = gold.brackets == answer.brackets and len(mine) == len(theirs)
            return equal and all(_same_items(a, b) for a, b in zip(mine, theirs, strict=True))
        bracketed, value = (gold, answer) if isinstance(gold, Bracketed) else (answer, gold)
        if not isinstance(bracketed, Bracketed) or len(bracketed.items) < 2 or not isinstance(value, Expression):
            return False
        return _same_vectors(bracketed, value) or _same_regions(bracketed, value)
    if isinstance(gold, Several) and isinstance(answer, Several):
        if DOTS in mine:
            return len(mine) == len(theirs) and all(_same_items(a, b) for a, b in zip(mine, theirs, strict=True))
        return _match_one_to_one(list(mine), list(theirs))
    if (isinstance(gold, Bracketed) and _is_set(answer)) or (isinstance(answer, Bracketed) and _is_set(gold)):
        return _same_regions(gold, answer)
    bare = isinstance(gold, Bracketed) is not isinstance(answer, Bracketed)
    if bare and any(map(_is_set, (*mine, *theirs))):
        return False  # a set is not the set that contains it
    return _match_one_to_one(_remove_duplicates(mine), _remove_duplicates(theirs))


def _items_of(reading: Reading) -> tuple[Reading, ...]:
    return reading.items if isinstance(reading, Several | Bracketed) else (reading,)


def _same_items(one: Reading, other: Reading) -> bool:
    """Compare items of collections, in which a set of one element is not that element."""
    return isinstance(one, Bracketed) is isinstance(other, Bracketed) and are_equal(one, other)


def _is_set(reading: Reading) -> bool:
    from sympy import Set

    return isinstance(reading, Expression) and isinstance(parse_expression(reading.text), Set)


def _same_vectors(bracketed: Bracketed, vector: Expression) -> bool:
    from sympy.matrices import MatrixBase

    matrix = parse_expression(vector.text)
    if bracketed.brackets != "()" or not isinstance(matrix, MatrixBase) or 1 not in matrix.shape:
        return False
    values = [_to_sympy(item) if isinstance(item, Expression | Number) else None for item in bracketed.items]
    return len(values) == len(matrix) and all(same_values(a, b) for a, b in zip(values, matrix, strict=True))


def _same_regions(one: Reading, other: Reading) -> bool:
    return same_values(_to_region(one), _to_region(other))


def _to_region(reading: Reading) -> Any:
    """Return the set of numbers of an interval or of relations; None if SymPy cannot determine it."""
    try:
        return _solve_region(reading)
    except Exception:  # SymPy refuses what it cannot decide in many ways
        return None


def _solve_region(reading: Reading) -> Any:
    from sympy import Intersection, Set, Union
    from sympy.logic.boolalg import Boolean

    if isinstance(reading, Region):
        sets = [_to_region(item) for item in reading.items]
        names = {symbol for item in reading.items for symbol in getattr(parse_expression(item.text), "free_symbols", ())}
        if len(names) != 1 or not all(isinstance(numbers, Set) for numbers in sets):
            return None
        return (Union if reading.joint == "or" else Intersection)(*sets)
    parsed = parse_expression(reading.text) if isinstance(reading, Expression | Bracketed) else None
    if isinstance(parsed, Boolean) and not isinstance(parsed, Set) and len(parsed.free_symbols) == 1:
        return solve_relation(parsed)
    return parsed


def _to_point(reading: Reading, other: Reading) -> Reading:
    """Turn ``y = 3, x = 2`` into the point (2, 3) if it is compared with a point."""
    if not (isinstance(reading, Several) and _is_ordered(other)):
        return reading
    named = [item for item in reading.items if isinstance(item, Named) and len(item.name) == 1]
    if len(named) < len(reading.items) or len({item.name for item in named}) < len(named):
        return reading
    return Bracketed("()", tuple(item.value for item in sorted(named, key=lambda item: item.name)))


def _is_ordered(reading: Reading) -> bool:
    return isinstance(reading, Bracketed) and reading.brackets != "{}"


def _remove_duplicates(items: Sequence[Reading]) -> list[Reading]:
    distinct: list[Reading] = []
    for item in items:
        if not any(are_equal(item, known) for known in distinct):
            distinct.append(item)
    return distinct


def _match_one_to_one(mine: list[Reading], theirs: list[Reading]) -> bool:
    """Match items one to one. If both have a name, it must be the same: ``a = 1, b = 2`` is not ``a = 2, b = 1``."""
    left = list(theirs)
    for item in mine:
        twin = next(
            (other for other in left if _same_names(item, other) and _same_items(_strip_name(item), _strip_name(other))), None
        )
        if twin is None:
            return False
        left.remove(twin)
    return not left


def _same_names(one: Reading, other: Reading) -> bool:
    return not (isinstance(one, Named) and isinstance(other, Named)) or one.name == other.name


def _same_equations(one: Equation, other: Equation) -> bool:
    """Compare equations up to a factor: ``2x + z = 1`` and ``z = 1 - 2x`` are equal."""
    mine, theirs = (_subtract_sides(equation) for equation in (one, other))
    return mine is not None and theirs is not None and find_factor(mine, theirs) is not None


def _subtract_sides(equation: Equation) -> Any:
    left, right = parse_expression(equation.left), parse_expression(equation.right)
    return None if left is None or right is None or not is_arithmetic(left, right) else left - right


def _to_sympy(reading: Expression | Number) -> Any:
    if isinstance(reading, Expression):
        return parse_expression(reading.text)
    from sympy import Rational

    value = reading.value / 100 if reading.percent else reading.value
    return Rational(value.numerator, value.denominator)


def is_exact(reading: Reading) -> bool:
    """Tell whether a reading can be compared, because all of its parts can be evaluated."""
    match reading:
        case Contradiction():
            return False
        case Expression():
            return is_evaluable(parse_expression(reading.text))
        case Named():
            return is_exact(reading.value)
        case Equation():
            return all(is_evaluable(parse_expression(side)) for side in (reading.left, reading.right))
        case Several() | Bracketed():
            return all(is_exact(item) for item in reading.items)
        case Region():
            return _to_region(reading) is not None
        case Ratio():
            return all(is_evaluable(parse_expression(part)) for part in reading.parts)
    return True
