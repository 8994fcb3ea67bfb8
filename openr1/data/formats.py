"""Formats of files: derived from file names, and read with or without compression.

Text is UTF-8, with or without a byte-order mark; any other encoding is refused.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from openr1.system.errors import ConfigError

FORMATS = ("text", "jsonl", "json", "csv", "tsv", "parquet")
PROSE = "txt text md markdown rst tex"
SOURCE_CODE = (
    "py pyi c h cc cpp cxx hh hpp cu cs f90 go hs java jl js jsx kt lean lua m ml php pl r rb rs scala sh sql swift ts tsx zig"
)
SUFFIXES = {f".{suffix}": "text" for suffix in f"{PROSE} {SOURCE_CODE}".split()}
SUFFIXES |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
COMPRESSED = (".gz", ".zst")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
READ_ERRORS = (OSError, EOFError, zlib.error)  # raised by a file that is cut or damaged


def find_files(path: str, key: str) -> list[Path]:
    """Return the files of a path: the file of that exact name, or else those of a directory or a glob.

    :param key: where the path stands in the config, for messages.
    :raises ConfigError: if there are none.
    """
    target = Path(os.path.expanduser(path))
    if os.path.isfile(target):
        return [target]
    if os.path.isdir(target):
        files = files_under(target)
    else:
        files = sorted(filter(Path.is_file, map(Path, glob.glob(str(target), recursive=True))))
    if not files:
        raise ConfigError(f"{key}: {path!r} matches no file")
    return files


def files_under(root: Path) -> list[Path]:
    """Return every file of a directory, sorted, without hidden files and hidden folders."""
    visible = (path for path in root.rglob("*") if not any(part.startswith(".") for part in path.relative_to(root).parts))
    return sorted(path for path in visible if path.is_file())


def formats_of(paths: Sequence[Path], form: str | None, key: str) -> dict[Path, str]:
    """Return the format of each file.

    :param form: the format of all of them; None to derive it from their names.
    :param key: where the source stands in the config, for messages.
    :raises ConfigError: for a file name with an unknown suffix, and for text files beside tables.
    """
    if form not in (None, *FORMATS):
        raise ConfigError(f"{key}.format: {form!r} is not one of {', '.join(FORMATS)}")
    formats: dict[Path, str] = {}
    for path in paths:
        known = form or format_of(path)
        if known is None:
            raise ConfigError(
                f"{key}.format: {path} has no suffix that says what it holds; give {key}.format, one of {', '.join(FORMATS)}, "
                f"or in {key}.path a glob of the files that are meant"
            )
        formats[path] = known
    text = next((path for path in paths if formats[path] == "text"), None)
    table = next((path for path in paths if formats[path] != "text"), None)
    if text and table:
        raise ConfigError(
            f"{key}.path: holds texts, such as {text}, beside tables, such as {table}; give a glob of one kind, such as "
            f"**/*{table.suffix}"
        )
    return formats


def format_of(path: Path) -> str | None:
    """Return the format that the suffix of a file name stands for; None for an unknown one.

    Case does not matter, and a suffix of compression is skipped.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed if its suffix is one of compression."""
    suffix = path.suffix.lower()
    if suffix == ".zst":
        import pyarrow

        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))
    return cast(IO[bytes], gzip.open(path)) if suffix == ".gz" else path.open("rb")


def read_text(path: Path, key: str) -> str:
    """Read a text file, with its line ends as they are.

    :param key: where the path stands in the config, for messages.
    :raises ConfigError: if it is not UTF-8.
    """
    try:
        with open_file(path) as file:
            return file.read().removeprefix(BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path} is not UTF-8 text (byte {error.start + 1})") from error
    except READ_ERRORS as error:
        raise unreadable(key, path, error) from error


def unreadable(key: str, path: Path, error: Exception) -> ConfigError:
    """Return the error for a file that is cut or damaged."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return ConfigError(f"{key}: {path} cannot be read: {reason}")
