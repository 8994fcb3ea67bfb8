"""Tests that call a function: the program that calls it, and the comparison of what it returned."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _caller() -> str:
    return (Path(__file__).parent / "caller.py").read_text()


def calling(program: str, function: str) -> str:
    """The source of a program that calls a function of another, with the arguments in its standard input."""
    return f"{_caller()}\n\ncall({program!r}, {function!r})\n"


def same_result(printed: str, *expected: str) -> bool:
    """Compare a result, as JSON, with those that are right.

    Values are compared as Python compares them, so 2.0 is 2 and a tuple is the list of its items; a number is not its text.
    """
    try:
        result = _value(printed)
        return any(result == _value(value) for value in expected)
    except (ValueError, RecursionError):
        return False


def _value(text: str) -> Any:
    return json.loads(text, parse_int=Decimal)  # exact, and without the time that int takes for many digits
