"""Names that are near one that does not exist, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

ALIKE = 0.6  # least similarity, from 0 to 1
MOST = 5


def near_names(name: object, names: Iterable[str]) -> list[str]:
    """Return the names most like a given one, best first: as a whole, or in the part after the last dot."""
    scored = [(_similarity(str(name).lower(), other.lower()), other) for other in dict.fromkeys(names)]
    near = sorted((pair for pair in scored if pair[0] >= ALIKE), key=lambda pair: (-pair[0], len(pair[1]), pair[1]))
    return [other for _, other in near[:MOST]]


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return the end of a message: names that are near, or all of them if none is; nothing if there are none."""
    known = list(dict.fromkeys(names))
    if near := near_names(name, known):
        return f"; did you mean {' or '.join(near)}?"
    shown = ", ".join(sorted(known)[: 4 * MOST])
    more = f" and {len(known) - 4 * MOST} more" if len(known) > 4 * MOST else ""
    return f"; there are {shown}{more}" if known else ""


def _similarity(wanted: str, name: str) -> float:
    parts = {name, name.rpartition(".")[2]}
    if wanted in parts:
        return 2.0
    return max(SequenceMatcher(None, wanted, part).ratio() for part in parts)
