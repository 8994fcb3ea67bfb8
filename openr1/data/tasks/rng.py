"""What tasks draw with, and how they check their options. Of a generator nothing but ``random()`` is used: the rest of
:class:`random.Random` may give other numbers in another version of Python."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def below(rng: random.Random, n: int) -> int:
    """An integer from 0 to n - 1."""
    return int(rng.random() * n)


def between(rng: random.Random, low: int, high: int) -> int:
    """An integer from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def pick(rng: random.Random, items: Sequence[T]) -> T:
    return items[int(rng.random() * len(items))]


def shuffled(rng: random.Random, items: Iterable[T]) -> list[T]:
    """The items in a random order (Fisher and Yates)."""
    items = list(items)
    for last in range(len(items) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        items[last], items[other] = items[other], items[last]
    return items


def check_range(low: int, high: int, names: str, least: int) -> None:
    """:raises ValueError: where ``options.min_NAMES`` and ``options.max_NAMES`` are no range from ``least`` on."""
    if not least <= low <= high:
        raise ValueError(f"options.min_{names}: must be at least {least} and at most max_{names}={high}")


def check_least(options: Any, **least: int) -> None:
    """:raises ValueError: for the first option that is below its least value."""
    for name, value in least.items():
        if getattr(options, name) < value:
            raise ValueError(f"options.{name}: must be at least {value}")


def check_members(given: Sequence[str], name: str, known: Iterable[str]) -> None:
    """:raises ValueError: where ``options.NAME`` is empty or has what is not known."""
    if not given or not set(given) <= set(known):
        raise ValueError(f"options.{name}: must be one or more of {' '.join(known)}")
