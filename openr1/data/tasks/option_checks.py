"""Checks of the difficulty parameters of tasks beyond the ranges of each. Messages begin with ``options.NAME``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def check_order(low: int, high: int, names: str) -> None:
    """Require that ``options.min_NAMES`` is not above ``options.max_NAMES``.

    :raises ValueError: if it is.
    """
    if low > high:
        raise ValueError(f"options.min_{names}: must be at most max_{names}={high}, not {low}")


def check_members(members: Sequence[str], name: str, known: Iterable[str]) -> None:
    """Require that ``options.NAME`` has one or more members, all of them known.

    :raises ValueError: if it is empty or has an unknown member.
    """
    if not members or not set(members) <= set(known):
        raise ValueError(f"options.{name}: must be one or more of {' '.join(known)}")
