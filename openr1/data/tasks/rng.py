"""Random draws of tasks, from ``random()`` alone.

Other methods of :class:`random.Random` may give other numbers in another version of Python.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def randbelow(rng: random.Random, n: int) -> int:
    """Draw an integer from 0 to n - 1."""
    return int(rng.random() * n)


def randint(rng: random.Random, low: int, high: int) -> int:
    """Draw an integer from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def choice(rng: random.Random, items: Sequence[T]) -> T:
    """Draw one of the items."""
    return items[int(rng.random() * len(items))]


def shuffled(rng: random.Random, items: Iterable[T]) -> list[T]:
    """Return the items in a random order (Fisher and Yates)."""
    items = list(items)
    for last in range(len(items) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        items[last], items[other] = items[other], items[last]
    return items
