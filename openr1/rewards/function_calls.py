"""Tests that call a function: the program that calls it, and the comparison of its result."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _runner() -> str:
    return (Path(__file__).parent / "function_runner.py").read_text()


def build_call_program(program: str, function: str) -> str:
    """Return the source of a program that calls a function of ``program``.

    Its standard input is a line with a mark, which it prints before the result, and the arguments.
    """
    return f"{_runner()}\n\ncall({program!r}, {function!r})\n"


def same_result(printed: str, *expected: str) -> bool:
    """Compare a result with the right ones, all as JSON.

    Values are compared as in Python: 2.0 is 2, and a tuple is the list of its items, but a number is not its text.
    """
    try:
        result = _parse(printed)
        return any(result == _parse(value) for value in expected)
    except (ValueError, RecursionError):
        return False


def _parse(text: str) -> Any:
    return json.loads(text, parse_int=Decimal)  # exact, and faster than int for many digits
