"""A sign in the folder of a study that processes work on it, also between two runs: a lock that each of them shares."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = ".at_work"


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Hold the sign in the folder of a study during the block, beside other processes that do."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_at_work(folder: Path) -> bool:
    """Return True if a process of this machine, or of one that shares its locks, works on the study of a folder."""
    try:
        with (folder / FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
