"""Records of folders: a JSON file that is written last, with the size and hash of every other file, by which damage is found.

A file that is older than the record is only compared by its size, which takes less than a millisecond. One that was changed
later is hashed, at about a second for a gigabyte. A record of an earlier version lists no files; then the formats of the files
tell whether they are whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from openr1.system.files import write_json

FILES, SEAL = "files", "sha256"  # keys of a record: the list of files, and the hash of the record itself
PARQUET = b"PAR1"  # begins and ends a file of that format


class DamagedFile(Exception):
    """A file that is not as it was written. Its text is the path and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path = path


@dataclass(frozen=True)
class FileState:
    """Size in bytes and SHA-256 of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """Record of a folder: what it holds.

    :ivar content: what its maker says of it.
    :ivar files: by their paths within the folder; empty if an earlier version wrote the record.
    """

    content: dict[str, Any]
    files: dict[str, FileState] = field(default_factory=dict)


def write_record(path: Path, content: dict[str, Any]) -> Record:
    """Write the record of the folder that ``path`` is in, with all files that are there."""
    names = [name for name in _files_of(path.parent) if name != path.name]
    files = {name: FileState((path.parent / name).stat().st_size, hash_file(path.parent / name)) for name in names}
    listed = {**content, FILES: {name: asdict(state) for name, state in files.items()}}
    write_json(path, {**listed, SEAL: _seal(listed)})
    return Record(content, files)


def read_record(path: Path, thorough: bool = False) -> Record:
    """Read the record of a folder, and check the files that it lists.

    :param thorough: hash all files.
    :raises DamagedFile: for the first file that is missing or is not as it was written, be it the record itself.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DamagedFile(path, "is not a record")
    seal, files = content.pop(SEAL, None), content.get(FILES)
    if files is None:
        for name in _files_of(path.parent):
            check_format(path.parent / name)
        return Record(content)
    if seal != _seal(content):
        raise DamagedFile(path, "was changed after it was written")
    states = {name: FileState(**state) for name, state in content.pop(FILES).items()}
    written = path.stat().st_mtime_ns
    for name, state in states.items():
        _check_file(path.parent / name, state, None if thorough else written)
    return Record(content, states)


def write_sealed(path: Path, value: Any, shared: bool = False) -> None:
    """Write a JSON value with its hash (:func:`openr1.system.files.replacing`)."""
    write_json(path, {"value": value, SEAL: _seal(value)}, shared)


def read_sealed(path: Path) -> Any:
    """Read what :func:`write_sealed` wrote; None if it is not there any more as it was written."""
    try:
        content = read_json(path)
        return content["value"] if content[SEAL] == _seal(content["value"]) else None
    except (DamagedFile, KeyError, TypeError):
        return None


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=65_536)
def _hash_once(path: Path, size: int, modified: int) -> str:
    """Return the SHA-256 of a file, which one process reads once as long as it stays as it is."""
    return hash_file(path)


def _check_file(path: Path, state: FileState, trusted_until: int | None) -> None:
    """Compare a file with its listed state.

    :param trusted_until: time of modification, in nanoseconds, up to which the size is enough; None to hash the file.
    :raises DamagedFile: if it differs.
    """
    try:
        now = path.stat()
        if now.st_size != state.size:
            found = f"has {now.st_size:,} of {state.size:,} bytes" if now.st_size else "is empty"
            raise DamagedFile(path, found)
        if trusted_until is not None and now.st_mtime_ns <= trusted_until:
            return
        sha256 = hash_file(path) if trusted_until is None else _hash_once(path, now.st_size, now.st_mtime_ns)
    except OSError as error:
        raise _unreadable(path, error) from error
    if sha256 != state.sha256:
        raise DamagedFile(path, "was changed after it was written")


def check_format(path: Path) -> None:
    """Check that a file is whole as far as its format tells.

    :raises DamagedFile: if it is not.
    """
    check = FORMATS.get(path.suffix)
    try:
        if check and not check(path):
            raise DamagedFile(path, "is cut short" if path.stat().st_size else "is empty")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> DamagedFile:
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    return DamagedFile(path, "is missing" if missing else f"cannot be read: {error.strerror}")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    :raises DamagedFile: if it is missing or no JSON.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise _unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise DamagedFile(path, "is not JSON") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise DamagedFile(path, "is not JSON" if text else "is empty") from error


def _files_of(folder: Path) -> list[str]:
    """Return the paths of all files in a folder, relative to it, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _seal(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_json(path: Path) -> bool:
    return _parses(path.read_bytes())


def _is_json_lines(path: Path) -> bool:
    return all(map(_parses, path.read_bytes().splitlines()))


def _parses(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _is_safetensors(path: Path) -> bool:
    """Compare the size with the end of the last tensor in the header: eight bytes of length, then JSON, then the tensors."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length < os.fstat(file.fileno()).st_size else b""
    if not _parses(header):
        return False
    ends = [tensor["data_offsets"][1] for name, tensor in json.loads(header).items() if name != "__metadata__"]
    return path.stat().st_size == 8 + length + max(ends, default=0)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(len(PARQUET))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(len(PARQUET), size - len(PARQUET)))
        return begin == file.read() == PARQUET


def _is_array(path: Path) -> bool:
    import numpy as np

    try:
        np.load(path, mmap_mode="r")
    except (ValueError, EOFError):
        return False
    return True


# by suffix of the file; torch writes its files as ZIP archives, whose directory is at the end
FORMATS: dict[str, Callable[[Path], bool]] = {
    ".json": _is_json,
    ".jsonl": _is_json_lines,
    ".safetensors": _is_safetensors,
    ".parquet": _is_parquet,
    ".npy": _is_array,
    ".pt": zipfile.is_zipfile,
    ".pth": zipfile.is_zipfile,
    ".bin": zipfile.is_zipfile,
}
