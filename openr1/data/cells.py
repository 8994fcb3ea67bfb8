"""Cells of tables: text, numbers and labels, normalised across file formats."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np

from openr1.data.json_text import any_digits, is_whole
from openr1.data.tables import Row
from openr1.system.errors import ConfigError

LEVEL = re.compile(r"^\s*level\b", re.IGNORECASE)  # "Level 5", as in the MATH data set


def cell(row: Row, column: str | None, key: str = "columns") -> Any:
    """Return a cell; of a nested column, by its dotted path, which may lead through JSON text. None if no column is given.

    :param key: where the column stands in the config, for messages.
    :raises ConfigError: if the path leads through a value that is not an object.
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
    """Tell whether a cell is empty: null, or the NaN that NumPy and pandas write for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def label(value: Any) -> str | None:
    """Return an answer or a label as text, from text, a number, or a list of one of them; None if it is empty.

    :raises ValueError: for any other value; the message names the allowed types.
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
    # pandas writes a whole number as 3.0 if its column has an empty cell, and float32 gives 0.10000000149 for 0.1
    half = np.float32(value)
    shortest = str(half) if isinstance(value, float) and float(half) == value else str(value)
    return f"{int(value)}" if value == int(value) else f"{Decimal(shortest):f}"


def level(value: Any) -> float | None:
    """Return a difficulty as a number, also from text such as ``Level 5``; None for anything else."""
    try:
        number = math.nan if isinstance(value, bool) else float(LEVEL.sub("", str(value)))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def is_word(value: Any) -> bool:
    """Tell a difficulty that is a word, such as ``hard``, from one without content, such as ``Level ?``."""
    return re.search(r"\w", LEVEL.sub("", str(value))) is not None
