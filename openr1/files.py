"""Atomic writing: files are whole or absent."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path, shared: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; it replaces ``path`` at the end of the block, whole or not at all, even if the disk is
    full or the process is killed.

    :param shared: other processes may write the same file at the same time; the last one wins. Otherwise the temporary name is
        fixed, so that the next try overwrites what a kill left behind.
    """
    ending = f".{secrets.token_hex(4)}" if shared else ""
    temporary = path.with_name(f".{path.name}{ending}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any, shared: bool = False) -> None:
    """Write JSON atomically (:func:`replacing`)."""
    with replacing(path, shared) as temporary, temporary.open("w") as file:
        json.dump(value, file, indent=1, sort_keys=True)


def read_json_lines(path: Path) -> list[Any]:
    """Read a file of one JSON value a line that a process may be writing, without the lines that are not whole."""
    values = []
    for line in path.read_bytes().splitlines():
        try:
            values.append(json.loads(line))
        except ValueError:
            continue
    return values
