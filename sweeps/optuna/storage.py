"""The storage that the workers of a study share."""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy import event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError

from openr1.sweeps.optuna.patience import PatientStorage
from openr1.system.errors import ConfigError, RunError
from openr1.system.faults import fault_line, is_full
from openr1.system.files import check_place, locked

JOURNAL = "journal://"
ENTRY = b'{"op_code":'  # how the entries of a journal begin
POSTGRESQL = "postgresql+psycopg2"  # the driver of openr1[postgres]
ATTEMPTS = 5  # to create the tables of a fresh database, or find them created
SQLITE_SECONDS = 60  # for which a locked file is waited for when it is opened
ATTEMPT_SECONDS = 10  # for which one attempt waits for a server, or for the writes of others to a file
KINDS = "sqlite:///FILE, postgresql://USER@HOST/DATABASE, or journal://FILE"


@functools.cache
def open_storage(url: str) -> PatientStorage:
    """Open a storage, and create it where it is a fresh file. A process has one, which keeps ended trials in memory.

    :raises ConfigError: for one that cannot be opened.
    :raises RunError: if the disk is full.
    """
    return PatientStorage(_open(url), without_password(url))


def _open(url: str) -> BaseStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url.startswith(JOURNAL):
        path = Path(url.removeprefix(JOURNAL))
        check_place(path.parent, "sweep.storage")
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open_journal(path)
    try:
        database = make_url(url)
    except SQLAlchemyError as error:
        raise ConfigError(f"sweep.storage: {url!r} is not one of {KINDS}") from error
    try:
        if database.get_backend_name() != "sqlite":
            if database.drivername == "postgresql":  # which from SQLAlchemy 2.1 on means another driver
                database = database.set(drivername=POSTGRESQL)
            return optuna.storages.get_storage(_open_server(database.render_as_string(hide_password=False)))
        if not database.database or database.database == ":memory:":
            raise ConfigError(f"sweep.storage: {url!r} does not outlast its process; give {KINDS}")
        path = Path(database.database)
        check_place(path.parent, "sweep.storage")
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(Path(f"{path}.lock")):  # otherwise two processes that find no tables both create them
            return optuna.storages.get_storage(_open_sqlite(url))
    except (ImportError, SQLAlchemyError, OSError) as error:
        shown = database.render_as_string(hide_password=True)
        if is_full(error):
            raise RunError(f"sweep.storage: {fault_line(error, shown)}") from error
        hint = "; install openr1[postgres]" if isinstance(error, ImportError) else ""
        raise ConfigError(f"sweep.storage: {shown} cannot be opened: {str(error).splitlines()[0]}{hint}") from error


def _open_journal(path: Path) -> JournalStorage:
    """Open a journal. An entry at its end that a killed worker has not written to its end is dropped, as Optuna does not.

    :raises ConfigError: if an entry cannot be read.
    """
    lock = JournalFileSymlinkLock(str(path))
    if _is_torn(path):
        lock.acquire()
        try:
            if _is_torn(path):  # and no other worker was writing it
                print(f"sweep.storage: {path} ends within an entry, which is dropped", file=sys.stderr, flush=True)
                os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        finally:
            lock.release()
    damaged = f"sweep.storage: {path} is no journal of Optuna, or a damaged one; give another file"
    if path.exists() and path.stat().st_size and not _is_journal(path):
        raise ConfigError(damaged)
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ConfigError(damaged) from error


def _is_journal(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ENTRY)) == ENTRY


def _is_torn(path: Path) -> bool:
    """Return True for a journal that does not end with a line break."""
    if not path.exists() or not _is_journal(path):
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _open_sqlite(url: str) -> RDBStorage:
    """Open a SQLite file, in which each transaction locks the file from its beginning.

    Optuna reads a trial's state "for update" before it writes it, which SQLite does not know: two workers would take the same
    waiting trial, or both retry a lost one.
    """
    storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": SQLITE_SECONDS}})

    @event.listens_for(storage.engine, "connect")
    def disable_implicit_transactions(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * ATTEMPT_SECONDS)}")

    @event.listens_for(storage.engine, "begin")
    def lock(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()  # the connection that created the tables
    return storage


def _open_server(url: str) -> RDBStorage:
    """Open the database of a server, where no lock keeps two workers from creating its tables at once."""
    limits = {"connect_timeout": ATTEMPT_SECONDS, "tcp_user_timeout": 1000 * ATTEMPT_SECONDS}
    options: dict[str, Any] = {"connect_args": limits} if make_url(url).drivername == POSTGRESQL else {}
    for attempt in range(ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, **options})
        except (IntegrityError, ProgrammingError):
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(1.0)  # another worker has just created one of them
    raise AssertionError("unreachable")


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def without_password(url: str) -> str:
    """Return the URL of a storage as it may be shown."""
    return url if url.startswith("journal:") else make_url(url).render_as_string(hide_password=True)


def is_missing_file(url: str) -> bool:
    """Return True for a storage in a file that does not exist yet."""
    if is_sqlite(url):
        path = make_url(url).database or ""
    elif url.startswith(JOURNAL):
        path = url.removeprefix(JOURNAL)
    else:
        return False
    return not Path(path).exists()
