"""Comparison of a program's output with the expected one, as LiveCodeBench's checker compares them."""

from __future__ import annotations

import re
from decimal import Decimal

# Decimal itself also reads 1_0, nan and digits of other scripts. No float has an exponent of more than six digits.
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")


def same_output(printed: str, expected: str) -> bool:
    """Compare two outputs line by line.

    Space around a line and empty lines around the output do not count. Two lines are the same if they are the same text, or if
    both consist of numbers, separated by space, that are equal one by one: ``2.0`` is ``2``, ``007`` is ``7`` and ``1e3`` is
    ``1000``. Numbers of any length are compared exactly, so ``0.33`` is not ``0.333``. As in the benchmark, digits such as
    those of version 1.10 are a number, and a number in a line with a word is text.
    """
    ours, theirs = split_lines(printed), split_lines(expected)
    return len(ours) == len(theirs) and all(map(_same_line, ours, theirs))


def split_lines(text: str) -> list[str]:
    """Return the lines of an output without the space around them, and without empty lines before and after."""
    return [line.strip() for line in text.strip().split("\n")]


def _same_line(printed: str, expected: str) -> bool:
    if printed == expected:
        return True
    ours, theirs = printed.split(), expected.split()
    return len(ours) == len(theirs) and all(map(_same_number, ours, theirs))


def _same_number(printed: str, expected: str) -> bool:
    if not (NUMBER.fullmatch(printed) and NUMBER.fullmatch(expected)):
        return False
    return Decimal(printed) == Decimal(expected)
