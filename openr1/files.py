"""Files that are whole or absent."""

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
    """A path beside ``path`` to write to, which takes its place at the end of the block: whole or not at all, also when the
    disk is full or the process is killed.

    :param shared: other processes may write the same file at the same moment; the last one stays. Of a file that this process
        alone writes, what a kill leaves behind is overwritten by the next try.
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
    """Write as :func:`replacing` has it."""
    with replacing(path, shared) as temporary, temporary.open("w") as file:
        json.dump(value, file, indent=1, sort_keys=True)
