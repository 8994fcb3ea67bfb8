"""Groups answers in mathematics that are equal to one another, whatever the gold answer, for majorities."""

from __future__ import annotations

from collections.abc import Sequence

from openr1.rewards.mathematics.equality import is_exact, same
from openr1.rewards.mathematics.markup import plain
from openr1.rewards.mathematics.reader import LONGEST
from openr1.rewards.mathematics.reading import Expression, Reading
from openr1.rewards.mathematics.selection import candidates
from openr1.rewards.mathematics.verdict import answer_reading, is_undone, shown

COMPARED = 200  # characters of an expression that is compared by value; longer ones are equal as texts alone


def vote_classes(conclusions: Sequence[str | None]) -> list[str | None]:
    """One text for all answers that are equal, that of the first of them; None where there is no answer.

    Answers that are not read are equal where they are the same text.
    """
    known: list[tuple[Reading, str]] = []
    named: dict[str, str] = {}
    classes: list[str | None] = []
    for text in conclusions:
        reading = answer_reading(text) if text else None
        name = shown(reading) if reading is not None else _written(text) if text else None
        if name is not None and name not in named:
            twin = next((other for other, _ in known if _comparable(reading, other) and same(other, reading)), None)
            named[name] = next(vote for other, vote in known if other is twin) if twin is not None else name
            if twin is None and reading is not None:
                known.append((reading, name))
        classes.append(named.get(name) if name is not None else None)
    return classes


def _written(text: str) -> str | None:
    """An answer that is not read, as a text."""
    parts = next(iter(candidates(text)), None)
    return " ".join(plain(part) for part in parts) if parts and max(map(len, parts)) <= LONGEST else None


def _comparable(*readings: Reading | None) -> bool:
    """Tell whether comparing takes a moment: this is not done in a process that can be killed."""
    return all(
        reading is not None
        and not (isinstance(reading, Expression) and (len(reading.text) > COMPARED or is_undone(reading)))
        and is_exact(reading)
        for reading in readings
    )
