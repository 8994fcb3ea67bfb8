"""Faults of files: each empties, cuts, deletes or overwrites one."""

import os
from collections.abc import Callable
from pathlib import Path


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def delete(path: Path) -> None:
    path.unlink()


def zero(path: Path) -> None:
    """Overwrite a file by zeros, as many as it has bytes."""
    path.write_bytes(bytes(path.stat().st_size))


def alter(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FAULTS: dict[str, Callable[[Path], None]] = {"empty": empty, "cut": cut, "delete": delete, "zero": zero, "alter": alter}


def restore(path: Path, content: bytes) -> None:
    """Write the content that a file had before a fault."""
    path.write_bytes(content)
