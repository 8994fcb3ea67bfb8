"""Hashes of content: the same on every machine and in every data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openr1.system.records import read_sealed, write_sealed


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-serialisable value, in hexadecimal, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def hash64(purpose: str, *texts: str) -> int:
    """Return the first 64 bits of SHA-256. Another ``purpose`` gives an independent value for the same texts."""
    hasher = hashlib.sha256(purpose.encode())
    for text in texts:
        hasher.update(b"\0")
        hasher.update(text.encode())
    return int.from_bytes(hasher.digest()[:8])


def unit(purpose: str, *texts: str) -> float:
    """Return :func:`hash64` as a number in [0, 1)."""
    return (hash64(purpose, *texts) >> 11) / 2**53


def hash_files(paths: Sequence[Path], cache: Path) -> str:
    """Return the SHA-256 over the contents of files, in the order given; their names do not count.

    The result is cached under ``cache`` by paths, sizes and modification times, so that unchanged files are not read again.
    """
    stats = [(path, path.stat()) for path in paths]
    listing = digest([(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats])
    known = cache / "hashes" / listing
    if known.exists() and isinstance(sha256 := read_sealed(known), str):
        return sha256
    hasher = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hasher.update(hashlib.file_digest(file, "sha256").digest())
    known.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(known, hasher.hexdigest(), shared=True)
    return hasher.hexdigest()
