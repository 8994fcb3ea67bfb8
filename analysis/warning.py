"""Warnings of runs and fits, ranked by what they mean for the answer."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """Rank of a warning by its meaning for the answer of a study, from the gravest on."""

    NO_ANSWER = 1  # the runs do not determine what is asked
    MISLEADING = 2  # the answer may be wrong: the law, its extrapolation or the unit of the numbers
    INTERVAL = 3  # an interval is missing, or may be too narrow
    HELD_OUT = 4  # the error on held-out runs says little
    PARAMETER = 5  # a parameter is not determined, or depends on one run; predictions near the runs may hold
    DATA = 6  # runs are left out, or read otherwise than they may be meant


class RankedWarning(str):
    """The text of a warning, without a capital letter and a full stop, with its severity."""

    severity: Severity

    def __new__(cls, text: str, severity: Severity) -> RankedWarning:
        warning = super().__new__(cls, text)
        warning.severity = severity
        return warning

    def __getnewargs__(self) -> tuple[str, Severity]:  # type: ignore[override]
        return str(self), self.severity

    @property
    def sentence(self) -> str:
        """The text as a sentence."""
        return f"{self[:1].upper()}{self[1:]}{'' if self.endswith('.') else '.'}"

    def to_dict(self) -> dict[str, Any]:
        """Return the rank, its name and the text, for JSON."""
        return {"rank": int(self.severity), "severity": self.severity.name.lower(), "text": str(self)}

    @classmethod
    def from_json(cls, value: Any) -> RankedWarning:
        """Read what :meth:`to_dict` returns; a bare text, as earlier versions wrote it, has the rank of a parameter."""
        if isinstance(value, dict):
            return cls(value["text"], Severity(value["rank"]))
        return cls(str(value), Severity.PARAMETER)


def ranked(warnings: Iterable[RankedWarning]) -> list[RankedWarning]:
    """Return warnings by their severity, the gravest first, else in their order."""
    return sorted(warnings, key=lambda warning: warning.severity)
