"""Problems in tables, one per row: prompts with answers, options of a multiple choice, or tests of programs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from openr1.data import program_tests
from openr1.data.cells import is_missing, is_word, label, level
from openr1.data.conversations import single_turn
from openr1.data.documents import Columns
from openr1.data.hashing import hash64
from openr1.data.json_text import any_digits
from openr1.data.options import FilesSource, HubSource
from openr1.data.sources import Files, Hub
from openr1.data.tables import Row
from openr1.data.tasks.problem import KINDS, Problem
from openr1.system.errors import ConfigError

LETTERS = "ABCDEFGHIJ"
SINGLE_COLUMNS = ("answer", "difficulty", "task", "function", "starter")  # options that name one column each
log = logging.getLogger(__name__)
_WARNED: set[str] = set()


def read_table(name: str, source: Files | Hub, system: str | None = None) -> Iterator[Problem]:
    """Read the problems of a table.

    :param name: name of the source.
    :param system: the system turn of all problems, the only one that a prompt may have.
    :raises ConfigError: if a column is missing or holds a value of the wrong type.
    """
    reader = ProblemReader(name, source.key, source.config, system)
    number = left_out = 0
    try:
        for number, row in enumerate(source.rows(reader.columns), start=1):
            problem = reader.problem(row, number)
            if problem is None:
                left_out += 1
            else:
                yield problem
    finally:
        if left_out:
            _warn_once(
                f"{source.key}: {left_out} of {number} rows hold no problem that can be verified and are left out", source
            )
        if reader.unknown:
            _warn_once(f"{source.key}.columns.difficulty: {reader.unknown} of {number} rows have none that is a number", source)
    if not number:
        raise ConfigError(f"{source.key}: {source.config.path} holds no rows")
    reader.complete()


def _warn_once(message: str, source: Files | Hub) -> None:
    """Warn once per process, however often a table is read."""
    message = f"{message} ({source.config.path})"
    if message not in _WARNED:
        log.warning("%s", message)
        _WARNED.add(message)


class ProblemReader:
    """Reader of the problems in the rows of one table.

    :param name: name of the source; the problems' task, if no column gives one.
    :param system: the system turn of all problems.
    :ivar unknown: number of rows whose difficulty is not a number.
    """

    def __init__(self, name: str, key: str, config: FilesSource | HubSource, system: str | None = None) -> None:
        self.name, self.key, self.config, self.options, self.system = name, key, config, config.columns, system
        self.unknown, self.numbers, self.word = 0, 0, ""  # counts of difficulties, and the first one that is a word
        if not config.prompt:
            raise ConfigError(f"{key}.prompt: problems need the column of their prompt")
        if self.options.kind is not None and self.options.kind not in KINDS:
            raise ConfigError(f"{key}.columns.kind: {self.options.kind!r} is not one of {', '.join(KINDS)}")
        if self.options.kind == "code" and self.options.tests is None:
            raise ConfigError(f"{key}.columns.tests: code needs the column of its tests")
        names = {"prompt": config.prompt, "columns.kind": None if self.options.kind else "kind"}
        names |= {f"columns.{option}": getattr(self.options, option) for option in SINGLE_COLUMNS}
        self.tests = [self.options.tests] if isinstance(self.options.tests, str) else list(self.options.tests or [])
        names |= {f"columns.tests.{place}": column for place, column in enumerate(self.tests)}
        if self.options.kind == "code":
            names.pop("columns.answer")
        names |= {f"columns.wrong.{place}": column for place, column in enumerate(self.options.wrong)}
        named = {option: column for option, column in names.items() if column}
        self.columns = Columns(key, config, named, labels=("columns.difficulty", "columns.task"))

    def problem(self, row: Row, number: int) -> Problem | None:
        """Return the problem of a row; None if it has no prompt, or nothing to verify an answer with."""
        options = self.options
        kind = options.kind or self.columns.cell("columns.kind", row)
        if is_missing(kind):
            return None
        if kind not in KINDS:
            raise ConfigError(f"{self.key}.columns.kind: {row.where} has {kind!r}, not one of {', '.join(KINDS)}")
        prompt, answer = self._prompt(row), None if kind == "code" else self._label("columns.answer", row)
        tests = self._tests(row) if kind == "code" else ()
        if not prompt or not (tests if kind == "code" else answer):
            return None
        difficulty = self._difficulty(row, number)
        if options.wrong:
            wrong = [self._label(f"columns.wrong.{place}", row) for place in range(len(options.wrong))]
            if not any(wrong):
                return None
            prompt, answer = _multiple_choice(prompt, answer or "", [option for option in wrong if option])
        if starter := self._label("columns.starter", row) if options.starter else None:
            prompt = f"{prompt}\n\nBegin with this code:\n```python\n{starter.strip()}\n```"
        task = self._label("columns.task", row) if options.task else None
        return Problem(prompt, answer or "", kind=kind, tests=tests, task=task or self.name, difficulty=difficulty)

    def complete(self) -> None:
        """Require, once all rows are read, that the columns of labels are as the config says.

        :raises ConfigError: if no row has one of them, or all difficulties are words.
        """
        self.columns.complete()
        if self.word and not self.numbers:
            raise ConfigError(
                f"{self.key}.columns.difficulty: {self.word}, not a number, nor has any other row one; words that name groups "
                f"are a column for {self.key}.columns.task"
            )

    def _prompt(self, row: Row) -> str | None:
        """Return the text of a prompt, or of the user's turn if it is a list of turns."""
        cell = self.columns.cell("prompt", row)
        if is_missing(cell) or cell == []:
            return None
        if isinstance(cell, str):
            return cell
        if not isinstance(cell, list):
            raise self.columns.refuse("prompt", row, cell, "text or a list of turns")
        try:
            return single_turn(cell, self.system)
        except ValueError as error:
            raise ConfigError(f"{self.key}.prompt: {row.where} {error}") from error

    def _label(self, option: str, row: Row) -> str | None:
        """Return an answer or a label; None if it is empty."""
        cell = self.columns.cell(option, row)
        try:
            return label(cell)
        except ValueError as error:
            raise self.columns.refuse(option, row, cell, str(error)) from error

    def _difficulty(self, row: Row, number: int) -> float | None:
        cell = self.columns.cell("columns.difficulty", row)
        if is_missing(cell) or cell == "":
            return None
        value = level(cell)
        if value is not None:
            self.numbers += 1
            return value
        self.unknown += 1
        if is_word(cell):
            self.word = self.word or f"row {number} has {str(cell)[:40]!r}"
        return None

    def _tests(self, row: Row) -> tuple[tuple[str, ...], ...]:
        """Return the tests of a program (:mod:`openr1.data.program_tests`); none if they call a function without naming it."""
        try:
            with any_digits():
                cells: list[Any] = [self.columns.cell(f"columns.tests.{place}", row) for place in range(len(self.tests))]
            function = self._label("columns.function", row) if self.options.function else None
            return program_tests.read_tests(cells, function)
        except ValueError as error:
            raise ConfigError(f"{self.key}.columns.tests: {row.where} {error}") from error


def _multiple_choice(prompt: str, right: str, wrong: list[str]) -> tuple[str, str]:
    """Return the prompt with lettered options, in an order drawn from its hash, and the letter of the right one."""
    options = sorted([right, *wrong], key=lambda option: hash64("choice", prompt, option))
    lines = [f"{letter}) {option.strip()}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([prompt.strip(), "", *lines]), LETTERS[options.index(right)]
