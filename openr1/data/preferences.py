"""Preference pairs of the rows of a table: a prompt with a better and a worse answer, as text or as turns of a chat."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from openr1.data import conversations
from openr1.data.cells import is_missing, label
from openr1.data.conversations import Turn
from openr1.data.documents import EMPTY, NO_TEXT, Columns, Document
from openr1.data.options import PairColumns, PreferenceFilesSource, PreferenceHubSource
from openr1.data.tables import Row
from openr1.system.errors import ConfigError

VERSION = 2  # raised when the same rows give other pairs
EQUAL = "two answers that are the same"
TIE = "a label that prefers neither answer"
APART = "answers to different prompts"
CONTRADICTED = "a score that is lower for the better answer"
SCORES = ("scores[0]", "scores[1]")


class _Answer(NamedTuple):
    text: str
    before: tuple[Turn, ...]  # turns before it, if the cell holds a conversation


class PairReader(Columns):
    """Columns of a table of preference pairs, and the pairs of its rows.

    :param key: where the source stands in the config, for messages.
    """

    def __init__(self, key: str, config: PreferenceFilesSource | PreferenceHubSource) -> None:
        self.columns: PairColumns = config.columns
        super().__init__(f"{key}.columns", names=column_names(self.columns))
        self.classes: Counter[str] = Counter()

    def documents(self, rows: Iterable[Row]) -> Iterator[Document]:
        """Yield one document per pair, without rows that hold none, which are counted in ``left``.

        :raises ConfigError: for a cell of another type, and at the end if no row holds a pair or all labels are of one class.
        """
        for row in rows:
            self.read += 1
            pair = self._pair(row)
            if isinstance(pair, Document):
                yield pair
            else:
                self.left[pair] += 1
        self._check_all()

    def _check_all(self) -> None:
        if self.read and self.left.total() == self.read:
            why = ", ".join(f"{count} with {reason}" for reason, count in self.left.items())
            raise ConfigError(f"{self.key}: none of the {self.read} rows is a preference pair: {why}")
        if self.columns.label is not None and len(self.classes) == 1:
            (only,) = self.classes
            raise ConfigError(
                f"{self.key}.label: all {self.classes.total()} rows prefer the {only} answer, so that the label says nothing; "
                "it must prefer either answer in some rows, or be null if the columns are ordered already"
            )

    def _pair(self, row: Row) -> Document | str:
        """Return the pair of a row, or the reason to leave it out."""
        cells = {option: self.cell(option, row) for option in self.names}
        if any(is_missing(cell) or cell in ("", []) for option, cell in cells.items() if option not in ("margin", "label")):
            return EMPTY
        better, worse = (self._answer(option, cells[option], row) for option in ("chosen", "rejected"))
        if better is None or worse is None:
            return NO_TEXT
        prompt = self._prompt(cells.get("prompt"), row, better, worse)
        if isinstance(prompt, str):
            return prompt
        if not better.text.strip() or not worse.text.strip():
            return EMPTY
        if better.text == worse.text:
            return EQUAL
        if self.columns.label is not None:
            preferred = self._preferred(cells["label"], row)
            if preferred is None:
                return TIE
            self.classes[preferred] += 1
            if preferred == "second":
                better, worse = worse, better
        margin = self._margin(cells, row)
        if margin is not None and margin < 0:
            return CONTRADICTED
        # a prompt of one turn is a plain prompt, which gets the instruction and the system turn of the config
        turns = prompt if len(prompt) > 1 else ()
        return Document(better.text, conversations.user_text(prompt), turns, rejected=worse.text, margin=margin)

    def _answer(self, option: str, cell: Any, row: Row) -> _Answer | None:
        if isinstance(cell, str) and not conversations.is_json(cell):
            return _Answer(cell, ())
        if not isinstance(cell, str | list):
            raise self.refuse(option, row, cell, "text or turns")
        turns = self._read_turns(option, conversations.turns_of, cell, row)
        if turns is None:
            return None
        if turns[-1]["role"] != "assistant":
            raise ConfigError(
                f"{self.key}.{option}: {row.where} holds a conversation that does not end with the assistant's answer"
            )
        return _Answer(turns[-1]["content"], turns[:-1])

    def _prompt(self, cell: Any, row: Row, better: _Answer, worse: _Answer) -> tuple[Turn, ...] | str:
        """Return the turns before the answers, or the reason to leave the row out."""
        if better.before != worse.before:
            return APART
        if better.before:
            return better.before if conversations.user_text(better.before) else EMPTY
        if self.columns.prompt is None:
            raise ConfigError(f"{self.key}.prompt: the answers of {row.where} hold no prompt; name the column of the prompts")
        if isinstance(cell, str) and not conversations.is_json(cell):
            return ({"role": "user", "content": cell},) if cell.strip() else EMPTY
        if not isinstance(cell, str | list):
            raise self.refuse("prompt", row, cell, "text or turns")
        turns = self._read_turns("prompt", conversations.prompt_of, cell, row)
        return NO_TEXT if turns is None else turns

    def _read_turns(self, option: str, read: Any, cell: str | list[Any], row: Row) -> Any:
        try:
            return read(cell)
        except ValueError as error:
            raise ConfigError(f"{self.key}.{option}: {row.where} {error}") from error

    def _preferred(self, cell: Any, row: Row) -> str | None:
        """Return ``first`` or ``second``; None for a label that prefers neither."""
        try:
            value = label(cell)
        except ValueError as error:
            raise self.refuse("label", row, cell, "text or a number") from error
        if value is None:
            return None
        for preferred in ("first", "second"):
            if value in map(label, getattr(self.columns, preferred)):
                return preferred
        return None

    def _margin(self, cells: Mapping[str, Any], row: Row) -> float | None:
        if self.columns.scores:
            better, worse = (self._number(option, cells[option], row) for option in SCORES)
            return None if better is None or worse is None else better - worse
        margin = self._number("margin", cells["margin"], row) if self.columns.margin is not None else None
        return None if margin is None else abs(margin)

    def _number(self, option: str, cell: Any, row: Row) -> float | None:
        if is_missing(cell) or cell == "":
            return None
        try:
            number = math.nan if isinstance(cell, bool | list | dict) else float(cell)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise self.refuse(option, row, cell, "a number")
        return number


def column_names(columns: PairColumns) -> dict[str, str]:
    """Return the columns that are read, by the option that names each."""
    named = {option: getattr(columns, option) for option in ("prompt", "chosen", "rejected", "label", "margin")}
    named |= dict(zip(SCORES, columns.scores, strict=False))
    return {option: column for option, column in named.items() if column is not None}


def content_of(columns: PairColumns) -> dict[str, Any]:
    """Return what decides the pairs of a table beside its rows, JSON-serialisable."""
    return {"version": VERSION, **{option: value for option, value in asdict(columns).items() if value not in (None, [])}}
