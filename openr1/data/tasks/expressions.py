"""Arithmetic expressions: written with as few brackets as possible, and evaluated exactly, without running code."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from fractions import Fraction

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}
CHARACTERS = re.compile(r"[\d+*/() -]+")
MAX_LENGTH = 200  # characters of an expression
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Term:
    """A number or an operation, its value, and the steps of its calculation."""

    text: str
    value: int
    precedence: int = 3
    steps: tuple[str, ...] = ()


def combine(operator: str, left: Term, right: Term) -> Term | None:
    """Apply an operation to two terms; return None for a division with a remainder."""
    value = apply(operator, Fraction(left.value), Fraction(right.value))
    if value is None or value.denominator != 1:
        return None
    precedence = PRECEDENCE[operator]
    # operations of the same precedence are done from left to right: brackets on the right preserve the order of the steps
    first = f"({left.text})" if left.precedence < precedence else left.text
    second = f"({right.text})" if right.precedence <= precedence else right.text
    step = f"{left.value}{operator}{right.value}={value}"
    return Term(f"{first}{operator}{second}", int(value), precedence, (*left.steps, *right.steps, step))


def apply(operator: str, left: Fraction, right: Fraction) -> Fraction | None:
    """Return the value of one operation; None for a division by zero."""
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    return left / right if right else None


def evaluate(text: str) -> tuple[Fraction, list[int]] | None:
    """Return the value of an expression of whole numbers, ``+ - * /`` and brackets, and its numbers in order.

    The result is None for any other text.
    """
    if len(text) > MAX_LENGTH or not CHARACTERS.fullmatch(text):
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    numbers: list[int] = []
    value = _value(tree, numbers)
    return None if value is None else (value, numbers)


def _value(node: ast.expr, numbers: list[int]) -> Fraction | None:
    match node:
        case ast.Constant(value=int(number)):
            numbers.append(number)
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand, numbers)
            return None if value is None else -value
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            first, second = _value(left, numbers), _value(right, numbers)
            return None if first is None or second is None else apply(OPERATORS[type(operator)], first, second)
    return None
