"""The storage that the workers of a study share."""

from __future__ import annotations

import functools
import logging
import time
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from openr1.errors import ConfigError

JOURNAL = "journal://"
POSTGRESQL = "postgresql+psycopg2"  # the driver of openr1[postgres]
ATTEMPTS = 5  # to make the tables of a fresh database, or find them made
SQLITE_SECONDS = 60  # that a worker waits for the others' writes
KINDS = "sqlite:///FILE, postgresql://USER@HOST/DATABASE, or journal://FILE"

log = logging.getLogger(__name__)


@functools.cache
def open_storage(url: str) -> BaseStorage:
    """The storage, made first where it is a fresh file. One a process, with the trials that have ended in its memory.

    :raises ConfigError: for one that cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url.startswith(JOURNAL):
        path = Path(url.removeprefix(JOURNAL))
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    try:
        database = make_url(url)
    except SQLAlchemyError as error:
        raise ConfigError(f"sweep.storage: {url!r} is not one of {KINDS}") from error
    try:
        if database.get_backend_name() != "sqlite":
            if database.drivername == "postgresql":  # whose driver is another one from SQLAlchemy 2.1 on
                database = database.set(drivername=POSTGRESQL)
            return optuna.storages.get_storage(_on_server(database.render_as_string(hide_password=False)))
        if not database.database or database.database == ":memory:":
            raise ConfigError(f"sweep.storage: {url!r} is gone with its process; give {KINDS}")
        path = Path(database.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # two processes that find no tables both make them
            return optuna.storages.get_storage(_in_file(url))
    except (ImportError, SQLAlchemyError, OSError) as error:
        shown = database.render_as_string(hide_password=True)
        hint = "; install openr1[postgres]" if isinstance(error, ImportError) else ""
        raise ConfigError(f"sweep.storage: {shown} cannot be opened: {str(error).splitlines()[0]}{hint}") from error


def _in_file(url: str) -> RDBStorage:
    """The storage in SQLite, where a transaction has the file to itself from its beginning.

    Optuna reads a trial's state "for update" before it writes it, which SQLite does not know: two workers would take the same
    waiting trial, or both try a lost one again.
    """
    storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": SQLITE_SECONDS}})

    @event.listens_for(storage.engine, "connect")
    def leave_transactions_to_us(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(storage.engine, "begin")
    def lock(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # the connection that made the tables
    return storage


def _on_server(url: str) -> RDBStorage:
    """The storage in a database of a server, where no lock keeps two workers from making its tables at once."""
    for _ in range(ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except (IntegrityError, ProgrammingError) as error:
            problem = error  # another worker has made one of them in the meantime
            time.sleep(1.0)
    raise problem


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")
