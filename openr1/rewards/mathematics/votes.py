"""Classes of equal answers in mathematics, whatever the gold answer, for majority votes."""

from __future__ import annotations

from collections.abc import Sequence

from openr1.rewards.mathematics.equality import are_equal, is_exact
from openr1.rewards.mathematics.markup import normalise
from openr1.rewards.mathematics.reader import LONGEST
from openr1.rewards.mathematics.reading import Expression, Reading
from openr1.rewards.mathematics.selection import find_candidates
from openr1.rewards.mathematics.verdict import format_reading, is_undone, read_conclusion

COMPARED = 200  # characters of an expression that is compared by value; longer ones are compared as texts


def vote_classes(conclusions: Sequence[str | None]) -> list[str | None]:
    """Return for each conclusion the text of the first answer that is equal to its answer; None without an answer.

    Answers that are not read are equal if they are the same text.
    """
    known: list[tuple[Reading, str]] = []
    named: dict[str, str] = {}
    classes: list[str | None] = []
    for text in conclusions:
        reading = read_conclusion(text) if text else None
        name = format_reading(reading) if reading is not None else _normalise_unread(text) if text else None
        if name is not None and name not in named:
            vote = None if reading is None else _find_equal(reading, known)
            named[name] = name if vote is None else vote
            if vote is None and reading is not None:
                known.append((reading, name))
        classes.append(named.get(name) if name is not None else None)
    return classes


def _find_equal(reading: Reading, known: list[tuple[Reading, str]]) -> str | None:
    """Return the text of the first known reading that is equal to this one."""
    return next((vote for other, vote in known if _are_comparable(reading, other) and are_equal(other, reading)), None)


def _normalise_unread(text: str) -> str | None:
    """Return the text of an answer that is not read."""
    parts = next(iter(find_candidates(text)), None)
    return " ".join(normalise(part) for part in parts) if parts and max(map(len, parts)) <= LONGEST else None


def _are_comparable(*readings: Reading) -> bool:
    """Tell whether a comparison is fast, since it does not run in a process that can be killed."""
    return all(
        not (isinstance(reading, Expression) and (len(reading.text) > COMPARED or is_undone(reading))) and is_exact(reading)
        for reading in readings
    )
