"""MLflow stores in SQLite files: made whole or not at all, and replaced if one was left half-made and holds nothing."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from openr1.system.errors import ConfigError
from openr1.system.faults import writing

HEADER = 100  # bytes of a SQLite file before its first table
SIGNATURE = b"SQLite format 3\0"
BESIDE = ("-journal", "-wal", "-shm")  # files that SQLite keeps beside an open database
TEMPORARY = "_alembic_tmp_"  # beginning of the names of tables that a migration has not renamed yet
# conditions of rows that a fresh store does not have
SEEDS = {"alembic_version": "0", "experiments": "experiment_id != 0", "workspaces": "name != 'default'"}


def path_of(uri: str) -> Path | None:
    """Return the file of a SQLite store; None for any other store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_whole(path: Path) -> bool:
    """Return True for a store that has all tables of MLflow, and no temporary ones of a migration.

    :raises ConfigError: for a file that is no database, or a damaged one.
    """
    if not path.exists() or _is_cut(path):
        return False
    try:
        present = _tables(path)
    except sqlite3.OperationalError:  # it is locked, or the disk is full
        raise
    except sqlite3.DatabaseError as error:
        raise ConfigError(
            f"tracking.uri: {path} is no SQLite database, or a damaged one ({error}); give another file"
        ) from error
    return _tables_of_mlflow() <= present and not any(map(_is_temporary, present))


def make_whole(path: Path, make: Callable[[str], None]) -> None:
    """Make the store of a file that has none, or only what was left of one, which holds nothing.

    It is made aside, with all its tables, and moved into place in one rename: a kill or a full disk leaves no half of it. A
    store of another kind, or with anything in it, is not touched. The caller holds the lock of the store.

    :param make: makes a store at a URI.
    """
    if path.exists():
        if not is_left_over(path):
            return
        print(f"tracking.uri: {path} was not made whole and holds nothing; it is made anew", file=sys.stderr, flush=True)
    aside = path.with_name(f".{path.name}.making")
    with writing(path):
        _delete(aside)
        try:
            make(f"sqlite:///{aside}")
        except BaseException:
            _delete(aside)
            raise
        _delete(path, BESIDE)  # SQLite would take what is left of the old one as part of the new one
        os.replace(aside, path)


def is_left_over(path: Path) -> bool:
    """Return True for what was left of a store that was being made: an empty file, or tables of MLflow without any content."""
    if _is_cut(path):
        return True
    try:
        present = _tables(path)
        if not all(table in _tables_of_mlflow() | {"alembic_version"} or _is_temporary(table) for table in present):
            return False
        with closing(_connect(path)) as database:
            return not any(database.execute(_query_of_content(table)).fetchone() for table in present)
    except sqlite3.DatabaseError:
        return False


def moved_artifacts(path: Path) -> dict[str, str]:
    """Return the folders of artifacts that a store names and that are gone, with those beside the store that took their places.

    MLflow writes the absolute place of its files into the store, so that a store that was moved with them has lost them.
    """
    with closing(_connect(path)) as database:
        query = "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE 'file://%'"
        locations = [location for (location,) in database.execute(query)]
    moved = {}
    for location in locations:
        old = Path(unquote(urlsplit(location).path))
        new = path.absolute().parent / old.name
        if not old.exists() and new.is_dir():
            moved[location] = new.as_uri()
    return moved


def follow_artifacts(path: Path) -> None:
    """Have a store that was moved together with its artifacts find them again. The caller holds the lock of the store."""
    for old, new in moved_artifacts(path).items():
        with closing(_connect(path)) as database, database:
            database.execute("UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (new, old))
            database.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, f"{old}/"),
            )
        print(f"tracking.uri: {path} was moved; its artifacts are read from {new}", file=sys.stderr, flush=True)


def _is_cut(path: Path) -> bool:
    """Return True for an empty file, and for a SQLite file that ends within its first page, which names the tables."""
    with path.open("rb") as file:
        beginning = file.read(HEADER)
    page = int.from_bytes(beginning[16:18], "big")
    cut = len(beginning) < HEADER or path.stat().st_size < (page if page > 1 else 1 << 16)
    return not beginning or (beginning.startswith(SIGNATURE) and cut)


def _connect(path: Path) -> sqlite3.Connection:
    # never "rwc", which makes a file; with write access SQLite rolls back what a kill has left
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)


def _tables(path: Path) -> set[str]:
    with closing(_connect(path)) as database:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _query_of_content(table: str) -> str:
    return f'SELECT 1 FROM "{table}" WHERE {SEEDS.get(table.removeprefix(TEMPORARY), "1")} LIMIT 1'


def _is_temporary(table: str) -> bool:
    return table.startswith((TEMPORARY, "sqlite_"))


def _tables_of_mlflow() -> set[str]:
    import mlflow.store.db.utils  # noqa: F401  # declares all tables
    from mlflow.store.db.base_sql_model import Base

    return set(Base.metadata.tables)


def _delete(path: Path, endings: tuple[str, ...] = ("", *BESIDE)) -> None:
    for ending in endings:
        path.with_name(path.name + ending).unlink(missing_ok=True)
