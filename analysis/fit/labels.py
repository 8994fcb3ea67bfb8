"""Labels of groups of runs: values of columns as text, in an order and a length that people read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}  # suffix of a scale, such as 1.5b -> factor
NUMBERS = re.compile(r"([0-9]+)")
OF_SOMETHING = {"weight", "options", "function", "kind", "name"}  # ends of keys that say nothing without what they belong to
OUTER_COMMA = re.compile(r",(?![^\[{]*[\]}])")  # a comma that is not within a list or a mapping


def format_label(value: Any) -> str:
    """Return a value of a column as text: 0 for 0.0, to which pandas converts a whole number if others are missing."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def sort_key(label: str) -> tuple[float, list[tuple[float, str]]]:
    """Return the key by which labels are sorted: sizes first, and others by the numbers within them."""
    parts = [(float(part), "") if part.isdecimal() else (math.inf, part) for part in NUMBERS.split(label)]
    return (parse_size(label), parts)


def parse_size(label: str) -> float:
    """Return the number that a label such as 1.5b stands for; infinity for any other label."""
    match = re.fullmatch(r"([+-]?[0-9.]+(?:e[+-]?[0-9]+)?)([kmbt]?)", label.lower())
    try:
        return float(match[1]) * UNITS[match[2]] if match else float("inf")
    except ValueError:
        return float("inf")


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the shortest ends of keys that tell them apart and mean something."""
    names = {}
    for key in keys:
        parts = key.split(".")
        least = min(len(parts), 1 + (parts[-1] in OF_SOMETHING))
        for count in range(least, len(parts) + 1):
            name = ".".join(parts[-count:])
            if sum(other == name or other.endswith(f".{name}") for other in keys) == 1:
                break
        names[key] = name
    return names


def shorten_trials(trials: Iterable[str]) -> dict[str, str]:
    """Return each trial's overrides in short: without those that all have, and with the ends of keys that tell them apart."""
    parts = {trial: OUTER_COMMA.split(trial) for trial in trials}
    common = set.intersection(*map(set, parts.values())) if len(parts) > 1 else set()
    own = {trial: [part.partition("=") for part in given if part not in common] for trial, given in parts.items()}
    names = short_names(list(dict.fromkeys(key for given in own.values() for key, _, _ in given)))
    return {trial: ", ".join(f"{names[key]}={value}" for key, _, value in given) or trial for trial, given in own.items()}
