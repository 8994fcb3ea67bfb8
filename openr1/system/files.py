"""Atomic writing, so that files are whole or absent, and locks between processes."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from filelock import FileLock

from openr1.system.errors import ConfigError
from openr1.system.faults import is_full, writing

TEMPORARY = ".tmp"  # ends the names of files that are being written


def check_place(folder: Path, key: str) -> None:
    """Refuse a folder that cannot be made, or in which nothing can be written. Nothing is made.

    :param key: of the option that names it.
    :raises ConfigError: if its nearest parent that exists takes no file, unless that is only because the disk is full.
    """
    try:
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        with TemporaryFile(dir=existing):
            pass
    except OSError as error:
        if is_full(error):
            raise
        raise ConfigError(f"{key}: nothing can be written in {folder}: {error.strerror}; give another place") from error


@contextmanager
def replacing(path: Path, shared: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; it replaces ``path`` at the end of the block, whole or not at all, even if the disk is
    full or the process is killed.

    :param shared: other processes may write the same file at the same time; the last one wins. What killed ones left behind is
        deleted. Otherwise the temporary name is fixed, so that the next try overwrites what a kill left behind.
    :raises RunError: for a fault of the machine, such as a full disk.
    """
    place = _own(path) if shared else nullcontext(path.with_name(f".{path.name}{TEMPORARY}"))
    with writing(path), place as temporary:
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):  # its folder may be gone, which is the error to show
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _own(path: Path) -> Iterator[Path]:
    """Make a temporary file for ``path`` that no other process has, and hold its lock, which tells others that it is in use."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY}"):
        with suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
        with temporary.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if temporary.exists():  # nobody took it for one that was left behind before it was locked
                yield temporary
                return


def write_json(path: Path, value: Any, shared: bool = False, sort: bool = True) -> None:
    """Write JSON atomically (:func:`replacing`).

    :param sort: sort the keys; not those of a config, in which the order of steps matters.
    """
    with replacing(path, shared) as temporary, temporary.open("w") as file:
        json.dump(value, file, indent=1, sort_keys=sort)


def read_json_lines(path: Path) -> list[Any]:
    """Read a file of one JSON value a line that a process may be writing, without the lines that are not whole."""
    values = []
    for line in path.read_bytes().splitlines():
        try:
            values.append(json.loads(line))
        except ValueError:
            continue
    return values


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file in the block; other processes wait for it.

    :raises OSError: if the file cannot be made. A :class:`filelock.FileLock` alone would try again for ever in some folders.
    """
    path.touch()
    with FileLock(path):
        yield
