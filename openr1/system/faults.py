"""Faults of the machine, such as a full disk or a folder that cannot be written, as one line that says what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from openr1.system.errors import ConfigError, Pruned, RunError

MAKE_ROOM = "make room, and the same command goes on"
MAKE_WRITABLE = "make it writable, or give another place"
DELETED = "was it deleted or moved? the same command makes what is missing anew"
LIMIT = "raise the limit, as with ulimit -n, and the same command goes on"
DAMAGED = "once the device works, the same command goes on"
FULL = f"no space left on the device; {MAKE_ROOM}"
OPEN_FILES = f"too many open files; {LIMIT}"
MEMORY = "out of memory; free some, raise its limit, as with ulimit -v, or make the run smaller, as with compute.micro_batch"

BY_NUMBER = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: f"no space left on the device within the disk quota; {MAKE_ROOM}",
    errno.EFBIG: f"the file is larger than the limit or the file system allows; {LIMIT.replace('-n', '-f')}",
    errno.EROFS: f"the file system is read-only; {MAKE_WRITABLE}",
    errno.EACCES: f"permission denied; {MAKE_WRITABLE}",
    errno.EPERM: f"operation not permitted; {MAKE_WRITABLE}",
    errno.ENOENT: f"no such file or folder; {DELETED}",
    errno.ENOTDIR: "a part of this path is a file, not a folder; give another place",
    errno.EISDIR: "is a folder, not a file; give another place",
    errno.EEXIST: "exists already, as something else; move it away, or give another place",
    errno.ENAMETOOLONG: "the name is longer than the file system allows; give a shorter one",
    errno.ELOOP: "the links of this path lead back to themselves; give another place",
    errno.EMFILE: OPEN_FILES,
    errno.ENFILE: OPEN_FILES,
    errno.EIO: f"the device cannot be read or written; {DAMAGED}",
    errno.ENOMEM: MEMORY,
    errno.ESTALE: f"the network file system has lost this file; {DAMAGED}",
}
EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO)
# libraries raise errors of their own, of which only the message tells the cause
BY_TEXT = {
    r"no space left on device|database or disk is full": errno.ENOSPC,
    r"unexpected pos \d+ vs|PytorchStreamWriter failed|\d+ requested and \d+ written": errno.ENOSPC,  # of torch and numpy
    r"disk quota exceeded": errno.EDQUOT,
    r"file too large": errno.EFBIG,
    r"read-only file system|attempt to write a readonly database": errno.EROFS,
    r"too many open files": errno.EMFILE,
    r"disk i/o error|input/output error": errno.EIO,
    r"unable to open database file": errno.ENOENT,
    r"permission denied \(os error 13\)": errno.EACCES,
    r"out of memory|can(no|')t allocate memory|failed to map segment from shared object": errno.ENOMEM,
    # transformers takes the path of a folder that is not there for the name of a repository
    r"Repo id must be in the form [^:]*: '(?P<place>[^']*)'": errno.ENOENT,
    r"no such file or directory \(os error 2\)": errno.ENOENT,
}


def fault_line(error: BaseException, place: object = None) -> str | None:
    """Return the fault of the machine that caused an error as one line; None for any other error.

    :param place: the file or folder that was being written, named if the error names none.
    """
    for cause in _causes(error):
        if number := _number(cause):
            if number == errno.ENOMEM:
                return MEMORY
            named = getattr(cause, "filename", None) or _place_in(cause) or place
            shown = os.fsdecode(named) if isinstance(named, bytes) else named
            return f"{shown}: {BY_NUMBER[number]}" if shown else BY_NUMBER[number]
    return None


def is_full(error: BaseException) -> bool:
    """Return True for an error that a full disk caused."""
    return any(_number(cause) in (errno.ENOSPC, errno.EDQUOT) for cause in _causes(error))


@contextmanager
def writing(place: object = None) -> Iterator[None]:
    """Turn faults of the machine in the block into one line. All other errors pass.

    :param place: the file or folder that the block writes, named if the error names none.
    :raises RunError: for a fault of the machine.
    """
    try:
        yield
    except (ConfigError, RunError, Pruned):
        raise
    except Exception as error:
        line = fault_line(error, place)
        if line is None:
            raise
        raise RunError(line) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from, or raised during the handling of.

    A file that is missing is often looked for in vain on the way to another error: it counts only where that is raised from it.
    """
    yield error
    if error.__cause__ is not None:
        yield from _causes(error.__cause__)
    elif error.__context__ is not None:
        yield from (cause for cause in _causes(error.__context__) if _number(cause) in EXHAUSTED)


def _place_in(error: BaseException) -> str | None:
    """Return the path that the message of a library names, of those known by their messages."""
    matches = (re.search(text, str(error), re.IGNORECASE) for text in BY_TEXT)
    return next((match["place"] for match in matches if match and "place" in match.groupdict()), None)


def _number(error: BaseException) -> int | None:
    """Return the number of the fault that an error stands for, in the operating system's own numbering."""
    if isinstance(error, OSError) and error.errno in BY_NUMBER:
        return error.errno
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    return next((number for text, number in BY_TEXT.items() if re.search(text, str(error), re.IGNORECASE)), None)
