"""Cells of tables: text, numbers and labels are read as they are meant, and other things are refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np

from openr1.data.program_tests import any_digits
from openr1.data.tables import Row, is_whole
from openr1.errors import ConfigError

LEVEL = re.compile(r"^\s*level\b", re.IGNORECASE)  # "Level 5", as MATH has it


def cell(row: Row, column: str | None, key: str = "columns") -> Any:
    """A cell; of a nested column, by its dotted path, which may lead through JSON text. None where no column is given.

    :param key: of the column in the config, for messages.
    :raises ConfigError: where the path leads through what is no object.
    """
    if column is None or column in row:
        return row[column] if column else None
    value: Any = row
    for part in column.split("."):
        if is_missing(value):
            return None
        if isinstance(value, str):
            with suppress(ValueError, RecursionError):
                value = json.loads(value)
            if not is_whole(value):
                raise ConfigError(f"{key}: {row.where} holds half of a character in column {column!r}")
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}: {row.where} has no object in column {column!r} before .{part}")
        value = value.get(part)
    return value


def is_missing(value: Any) -> bool:
    """Tell an empty cell: null, or the NaN that NumPy and pandas write for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def short(value: Any) -> str | None:
    """An answer or a label: text, a number, or a list of one of them; None where it is empty.

    :raises ValueError: for other things; it says what is wanted.
    """
    if isinstance(value, list) and len(value) < 2:
        value = value[0] if value else None
    if is_missing(value) or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("text or a number")
    if isinstance(value, int):
        with any_digits():
            return str(value)
    if not math.isfinite(value):
        raise ValueError("text or a number")
    # a whole number is 3.0 where pandas had an empty cell in its column, and .1 is .10000000149 where it had half the bits
    half = np.float32(value)
    shortest = str(half) if isinstance(value, float) and float(half) == value else str(value)
    return f"{int(value)}" if value == int(value) else f"{Decimal(shortest):f}"


def level(value: Any) -> float | None:
    """A difficulty: a number, also one in text such as ``Level 5``; None for anything else."""
    try:
        number = math.nan if isinstance(value, bool) else float(LEVEL.sub("", str(value)))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def is_word(value: Any) -> bool:
    """Tell a difficulty that is a word, such as ``hard``, from one that says nothing, such as ``Level ?``."""
    return re.search(r"\w", LEVEL.sub("", str(value))) is not None
