"""Problems of a data config: those to train on, and the held-out ones to test with, which are never the same.

A procedural task draws its problems; a table has one per row. Problems are held out by the hash of their prompt
(:func:`openr1.data.tasks.problem.is_held_out`), except that tables of ``data.held_out`` are test sets as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from openr1.data import tasks
from openr1.data.hashing import digest
from openr1.data.options import DataConfig, Paths, ProblemColumns
from openr1.data.problem_tables import read_table
from openr1.data.registry import open_sources
from openr1.data.sources import Files, Hub, Procedural, Source
from openr1.data.tasks.problem import Problem, is_held_out
from openr1.system.errors import ConfigError

OPTIONAL_COLUMNS = ("function", "starter")  # part of the fingerprint only if given, so that older fingerprints stay valid
_EXTENTS: dict[tuple[str, str, str | None], Extent] = {}


def fingerprint(data: DataConfig, paths: Paths, held_out: bool = False, limit: int | None = None) -> str:
    """Return the SHA-256 of all that decides the problems, and the oracle's completions of them.

    :param held_out, limit: as for :func:`by_source`.
    """
    sources = _sources(data, paths, held_out)
    content = {name: source.content() for name, source in sources.items()}
    columns = {name: _given(source.config.columns) for name, source in sources.items() if isinstance(source, Files | Hub)}
    side = {"held_out": held_out, "whole": _is_whole(data, held_out), "fraction": data.eval_fraction}
    return digest({"sources": content, "columns": columns, "side": side, "problems": limit})


def _given(columns: ProblemColumns) -> dict[str, Any]:
    return {
        option: column for option, column in asdict(columns).items() if column is not None or option not in OPTIONAL_COLUMNS
    }


def read(data: DataConfig, paths: Paths, held_out: bool = False, limit: int | None = None) -> list[Problem]:
    """Read problems in the order of the data.

    :param held_out, limit: as for :func:`by_source`.
    :raises ConfigError: as :func:`by_source` does.
    """
    return [problem for problems in by_source(data, paths, held_out, limit).values() for problem in problems]


def by_source(data: DataConfig, paths: Paths, held_out: bool = False, limit: int | None = None) -> dict[str, list[Problem]]:
    """Read the problems of each source, without duplicates.

    :param held_out: read the problems to test with instead of those to train on.
    :param limit: maximum number of problems per source, the first; None for all.
    :raises ConfigError: for a source without problems, or a column that does not match the config.
    """
    seen: set[str] = set()
    result: dict[str, list[Problem]] = {}
    for name, source in _sources(data, paths, held_out).items():
        result[name] = problems = []
        for problem in _problems(name, source, data, held_out, limit):
            if problem.id not in seen:
                seen.add(problem.id)
                problems.append(problem)
            if len(problems) == limit:
                break
        if not problems:
            side = "is held out" if held_out else "is left to train on"
            raise ConfigError(f"data.eval_fraction: at {data.eval_fraction:g} no problem of {source.key} {side}")
    return result


class Extent(NamedTuple):
    """Number and size of the problems of a run."""

    problems: int
    prompt_bytes: float  # mean length of a prompt as a model reads it


def extent(data: DataConfig, paths: Paths, held_out: bool = False, limit: int | None = None) -> Extent:
    """Return the number and mean length of problems, read once per process, since many runs of a study share them.

    :param held_out, limit: as for :func:`by_source`.
    """
    key = (fingerprint(data, paths, held_out, limit), data.instruction, data.system)
    if key not in _EXTENTS:
        lengths = [len(problem.prompt.encode()) for problem in read(data, paths, held_out, limit)]
        around = len(data.instruction.replace("{prompt}", "").encode()) + len((data.system or "").encode())
        _EXTENTS[key] = Extent(len(lengths), sum(lengths) / len(lengths) + around)
    return _EXTENTS[key]


def _is_whole(data: DataConfig, held_out: bool) -> bool:
    """Tell whether the problems are those of ``data.held_out``."""
    return held_out and bool(data.held_out)


def _sources(data: DataConfig, paths: Paths, held_out: bool) -> dict[str, Source]:
    return open_sources(data, paths, "held_out" if _is_whole(data, held_out) else "sources")


def _problems(name: str, source: Source, data: DataConfig, held_out: bool, limit: int | None) -> Iterator[Problem]:
    fraction = data.eval_fraction
    if isinstance(source, Procedural):
        if held_out and limit is not None:
            yield from tasks.held_out(source.key, source.config, limit, fraction)
            return
        problems: Iterator[Problem] = iter(tasks.generate(source.key, source.config))
    elif isinstance(source, Files | Hub):
        problems = read_table(name, source, data.system)
        if _is_whole(data, held_out):
            yield from problems
            return
    else:
        raise ConfigError(f"{source.key}: a {source.config.kind} source has no problems; task, files and hub have")
    yield from (problem for problem in problems if is_held_out(problem, fraction) == held_out)
