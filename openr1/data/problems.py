"""The problems of a data config: those to train on, and those to test with, which are never the same.

A procedural task draws them; a table has a row a problem. What is held out is held out by the hash of its prompt (the rule of
:func:`openr1.data.tasks.base.is_held_out`), but for the tables of ``data.held_out``: they are test sets as a whole.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from openr1.config.schema import Config
from openr1.data import program_tests, tasks
from openr1.data.cells import is_missing, is_word, level, short
from openr1.data.conversations import single_turn
from openr1.data.documents import Columns
from openr1.data.hashing import digest, hash64
from openr1.data.options import FilesSource, HubSource, ProblemColumns
from openr1.data.sources import Files, Hub, Procedural, Source, open_sources
from openr1.data.tables import Row
from openr1.data.tasks.base import KINDS, Problem, is_held_out
from openr1.errors import ConfigError

LETTERS = "ABCDEFGHIJ"
PLAIN = ("answer", "difficulty", "task", "function", "starter")  # columns of one value
LATER = ("function", "starter")  # columns that leave the fingerprint as it was where they are not given
log = logging.getLogger(__name__)
_EXTENTS: dict[tuple, Extent] = {}
_WARNED: set[str] = set()


def fingerprint(config: Config) -> str:
    """SHA-256 of what decides the problems of a run, and the completions that an oracle has for them."""
    sources = _sources(config)
    content = {name: source.content() for name, source in sources.items()}
    columns = {name: _named(source.config.columns) for name, source in sources.items() if _is_table(source)}
    side = {"held_out": held_out(config), "whole": _whole(config), "fraction": config.data.eval_fraction}
    return digest({"sources": content, "columns": columns, "side": side, "problems": config.stage.problems})


def _named(columns: ProblemColumns) -> dict[str, Any]:
    return {option: column for option, column in asdict(columns).items() if column is not None or option not in LATER}


def held_out(config: Config) -> bool:
    """Whether a run takes the problems to test with."""
    return config.stage.kind == "evaluate"


def read(config: Config) -> list[Problem]:
    """The problems of a run, in the order of the data.

    :raises ConfigError: as :func:`by_source` does.
    """
    return [problem for found in by_source(config).values() for problem in found]


def by_source(config: Config) -> dict[str, list[Problem]]:
    """The problems of a run: of each source the first ``stage.problems``. None is there twice.

    :raises ConfigError: for a source without problems, or a column that is not what the config says.
    """
    seen: set[str] = set()
    result: dict[str, list[Problem]] = {}
    for name, source in _sources(config).items():
        result[name] = found = []
        for problem in _problems(name, source, config):
            if problem.id not in seen:
                seen.add(problem.id)
                found.append(problem)
            if len(found) == config.stage.problems:
                break
        if not found:
            side = "is held out" if held_out(config) else "is left to train on"
            raise ConfigError(f"data.eval_fraction: at {config.data.eval_fraction:g} no problem of {source.key} {side}")
    return result


class Extent(NamedTuple):
    """How much is asked."""

    problems: int
    prompt_bytes: float  # of what a model reads, in the mean


def extent(config: Config) -> Extent:
    """How many problems a run has, and how long they are. Read once a process, since many runs of a study have the same."""
    mark = (fingerprint(config), config.data.instruction, config.data.system)
    if mark not in _EXTENTS:
        lengths = [len(problem.prompt.encode()) for problem in read(config)]
        around = len(config.data.instruction.replace("{prompt}", "").encode()) + len((config.data.system or "").encode())
        _EXTENTS[mark] = Extent(len(lengths), sum(lengths) / len(lengths) + around)
    return _EXTENTS[mark]


def _whole(config: Config) -> bool:
    return held_out(config) and bool(config.data.held_out)


def _sources(config: Config) -> dict[str, Source]:
    return open_sources(config, "held_out" if _whole(config) else "sources")


def _is_table(source: Source) -> bool:
    return isinstance(source.config, FilesSource | HubSource)


def _problems(name: str, source: Source, config: Config) -> Iterator[Problem]:
    test, fraction = held_out(config), config.data.eval_fraction
    if isinstance(source, Procedural):
        if test and config.stage.problems is not None:
            yield from tasks.held_out(source.key, source.config, config.stage.problems, fraction)
            return
        problems: Iterator[Problem] = iter(tasks.generate(source.key, source.config))
    elif _is_table(source):
        problems = table(name, source, config.data.system)
        if _whole(config):
            yield from problems
            return
    else:
        raise ConfigError(f"{source.key}: a {source.config.kind} source has no problems; task, files and hub have")
    yield from (problem for problem in problems if is_held_out(problem, fraction) == test)


def table(name: str, source: Files | Hub, system: str | None = None) -> Iterator[Problem]:
    """The problems of a table.

    :param system: the system's turn of all problems, the only one that a prompt may have.
    :raises ConfigError: where a column is missing or holds what it cannot.
    """
    reader = Rows(name, source.key, source.config, system)
    number = left = 0
    try:
        for number, row in enumerate(source.rows(reader.columns), start=1):
            problem = reader.problem(row, number)
            if problem is None:
                left += 1
            else:
                yield problem
    finally:
        if left:
            _warn(f"{source.key}: {left} of {number} rows hold no problem that can be verified and are left out", source)
        if reader.unknown:
            _warn(f"{source.key}.columns.difficulty: {reader.unknown} of {number} rows have none that is a number", source)
    if not number:
        raise ConfigError(f"{source.key}: {source.config.path} holds no rows")
    reader.complete()


def _warn(message: str, source: Files | Hub) -> None:
    """Warn once a process, however often a table is read."""
    message = f"{message} ({source.config.path})"
    if message not in _WARNED:
        log.warning("%s", message)
        _WARNED.add(message)


class Rows:
    """Makes problems of the rows of one table.

    :param name: of the source; the problems' task, where no column says it.
    :param system: the system's turn of all problems.
    :ivar unknown: how many rows have a difficulty that is no number.
    """

    def __init__(self, name: str, key: str, config: FilesSource | HubSource, system: str | None = None) -> None:
        self.name, self.key, self.config, self.options, self.system = name, key, config, config.columns, system
        self.unknown, self.numbers, self.word = 0, 0, ""  # of difficulties; the first one that is a word
        if not config.prompt:
            raise ConfigError(f"{key}.prompt: problems need the column of their prompt")
        if self.options.kind is not None and self.options.kind not in KINDS:
            raise ConfigError(f"{key}.columns.kind: {self.options.kind!r} is not one of {', '.join(KINDS)}")
        if self.options.kind == "code" and self.options.tests is None:
            raise ConfigError(f"{key}.columns.tests: code needs the column of its tests")
        names = {"prompt": config.prompt, "columns.kind": None if self.options.kind else "kind"}
        names |= {f"columns.{option}": getattr(self.options, option) for option in PLAIN}
        self.tests = [self.options.tests] if isinstance(self.options.tests, str) else list(self.options.tests or [])
        names |= {f"columns.tests.{place}": column for place, column in enumerate(self.tests)}
        if self.options.kind == "code":
            names.pop("columns.answer")
        names |= {f"columns.wrong.{place}": column for place, column in enumerate(self.options.wrong)}
        names = {option: column for option, column in names.items() if column}
        self.columns = Columns(key, config, names, labels=("columns.difficulty", "columns.task"))

    def problem(self, row: Row, number: int) -> Problem | None:
        """The problem of a row; None where it has no prompt, or nothing to verify an answer with."""
        options = self.options
        kind = options.kind or self.columns.cell("columns.kind", row)
        if is_missing(kind):
            return None
        if kind not in KINDS:
            raise ConfigError(f"{self.key}.columns.kind: {row.where} has {kind!r}, not one of {', '.join(KINDS)}")
        prompt, answer = self._prompt(row), None if kind == "code" else self._short("columns.answer", row)
        tests = self._tests(row) if kind == "code" else ()
        if not prompt or not (tests if kind == "code" else answer):
            return None
        difficulty = self._difficulty(row, number)
        if options.wrong:
            wrong = [self._short(f"columns.wrong.{place}", row) for place in range(len(options.wrong))]
            if not any(wrong):
                return None
            prompt, answer = _choice(prompt, answer or "", [option for option in wrong if option])
        if starter := self._short("columns.starter", row) if options.starter else None:
            prompt = f"{prompt}\n\nBegin with this code:\n```python\n{starter.strip()}\n```"
        task = self._short("columns.task", row) if options.task else None
        return Problem(prompt, answer or "", kind=kind, tests=tests, task=task or self.name, difficulty=difficulty)

    def complete(self) -> None:
        """Make sure, once all rows are read, that the columns of labels are what the config says.

        :raises ConfigError: where no row has one, or all difficulties are words.
        """
        self.columns.complete()
        if self.word and not self.numbers:
            raise ConfigError(
                f"{self.key}.columns.difficulty: {self.word}, not a number, nor has any other row one; words that name groups "
                f"are a column for {self.key}.columns.task"
            )

    def _prompt(self, row: Row) -> str | None:
        """The text of a prompt, or of the user's turn where it is a list of turns."""
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

    def _short(self, option: str, row: Row) -> str | None:
        """An answer or a label; None where it is empty."""
        cell = self.columns.cell(option, row)
        try:
            return short(cell)
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
        """The tests of a program, by :mod:`openr1.data.program_tests`; none where they call a function that is not named."""
        try:
            with program_tests.any_digits():
                cells = [self.columns.cell(f"columns.tests.{place}", row) for place in range(len(self.tests))]
            function = self._short("columns.function", row) if self.options.function else None
            return program_tests.read(cells, function)
        except ValueError as error:
            raise ConfigError(f"{self.key}.columns.tests: {row.where} {error}") from error


def _choice(prompt: str, right: str, wrong: list[str]) -> tuple[str, str]:
    """The prompt with lettered options, in an order drawn from its hash, and the letter of the right one."""
    options = sorted([right, *wrong], key=lambda option: hash64("choice", prompt, option))
    lines = [f"{letter}) {option.strip()}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([prompt.strip(), "", *lines]), LETTERS[options.index(right)]
