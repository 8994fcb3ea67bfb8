"""Checks of the difficulty parameters of tasks. Messages begin with ``options.NAME``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def check_range(low: int, high: int, names: str, least: int) -> None:
    """Require that ``options.min_NAMES`` and ``options.max_NAMES`` are a range that starts at ``least`` or above.

    :raises ValueError: if they are not.
    """
    if not least <= low <= high:
        raise ValueError(f"options.min_{names}: must be at least {least} and at most max_{names}={high}")


def check_least(options: Any, **least: int) -> None:
    """Require a least value of each named option.

    :raises ValueError: for the first option below its least value.
    """
    for name, value in least.items():
        if getattr(options, name) < value:
            raise ValueError(f"options.{name}: must be at least {value}")


def check_members(members: Sequence[str], name: str, known: Iterable[str]) -> None:
    """Require that ``options.NAME`` has one or more members, all of them known.

    :raises ValueError: if it is empty or has an unknown member.
    """
    if not members or not set(members) <= set(known):
        raise ValueError(f"options.{name}: must be one or more of {' '.join(known)}")
