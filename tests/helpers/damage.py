"""Faults of files: each empties, cuts, deletes, overwrites or alters one."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def damaged(path: Path, fault: str) -> Iterator[None]:
    """Damage a file in the block, and restore it with its time of modification after it."""
    content, state = path.read_bytes(), path.stat()
    FAULTS[fault](path)
    try:
        yield
    finally:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def files_of(folder: Path) -> list[Path]:
    """Return the files in a folder that hold something: a fault of an empty one is none."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
