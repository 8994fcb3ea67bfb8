"""Formats of files: how they are known by their names, and how what they hold is opened.

Text is UTF-8, with or without a byte-order mark; whatever else is refused.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from openr1.errors import ConfigError

FORMATS = ("text", "jsonl", "json", "csv", "tsv", "parquet")
PROSE = ("txt", "text", "md", "markdown", "rst", "tex")
SOURCE = (
    "py",
    "pyi",
    "c",
    "h",
    "cc",
    "cpp",
    "cxx",
    "hh",
    "hpp",
    "cu",
    "cs",
    "f90",
    "go",
    "hs",
    "java",
    "jl",
    "js",
    "jsx",
    "kt",
)
SOURCE += ("lean", "lua", "m", "ml", "php", "pl", "r", "rb", "rs", "scala", "sh", "sql", "swift", "ts", "tsx", "zig")
SUFFIXES = {f".{suffix}": "text" for suffix in (*PROSE, *SOURCE)}
SUFFIXES |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
COMPRESSED = (".gz", ".zst")
MARK = b"\xef\xbb\xbf"  # of the byte order
READABLE = (OSError, EOFError, zlib.error)  # what a file that is cut or damaged raises


def find(path: str, key: str) -> list[Path]:
    """The files of a path: the file of that name, whatever the name is, or else those of a directory or a glob.

    :param key: of the path in the config, for messages.
    :raises ConfigError: where there are none.
    """
    given = Path(os.path.expanduser(path))
    if os.path.isfile(given):
        return [given]
    found = sorted(filter(Path.is_file, map(Path, glob.glob(str(given), recursive=True))))
    found = files_under(given) if os.path.isdir(given) else found
    if not found:
        raise ConfigError(f"{key}: {path!r} matches no file")
    return found


def files_under(root: Path) -> list[Path]:
    """Every file of a directory, hidden ones and hidden folders left out, sorted."""
    found = (path for path in root.rglob("*") if not any(part.startswith(".") for part in path.relative_to(root).parts))
    return sorted(path for path in found if path.is_file())


def formats_of(paths: Sequence[Path], form: str | None, key: str) -> dict[Path, str]:
    """The format of each file.

    :param form: of all of them; None where their names say it.
    :param key: of the source in the config, for messages.
    :raises ConfigError: for a file whose name says none, and for texts beside tables.
    """
    if form not in (None, *FORMATS):
        raise ConfigError(f"{key}.format: {form!r} is not one of {', '.join(FORMATS)}")
    found = {path: form or format_of(path) for path in paths}
    unknown = next((path for path, known in found.items() if known is None), None)
    if unknown:
        raise ConfigError(
            f"{key}.format: {unknown} has no suffix that says what it holds; give {key}.format, one of {', '.join(FORMATS)}, "
            f"or in {key}.path a glob of the files that are meant"
        )
    text, table = (next((path for path in paths if (found[path] == "text") is is_text), None) for is_text in (True, False))
    if text and table:
        raise ConfigError(
            f"{key}.path: holds texts, such as {text}, beside tables, such as {table}; give a glob of one kind, such as "
            f"**/*{table.suffix}"
        )
    return found


def format_of(path: Path) -> str | None:
    """The format that the suffix of a file's name means, in any case, before that of its compression; None for another one."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def opened(path: Path) -> IO[bytes]:
    """A file, decompressed where its suffix says that it is compressed."""
    suffix = path.suffix.lower()
    if suffix == ".zst":
        import pyarrow

        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))
    return gzip.open(path) if suffix == ".gz" else path.open("rb")


def text(path: Path, key: str) -> str:
    """A text file. Its line ends stay as they are.

    :param key: of the path in the config, for messages.
    :raises ConfigError: where it is not UTF-8.
    """
    try:
        with opened(path) as file:
            return file.read().removeprefix(MARK).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path} is not UTF-8 text (byte {error.start + 1})") from error
    except READABLE as error:
        raise damaged(key, path, error) from error


def damaged(key: str, path: Path, error: Exception) -> ConfigError:
    """The refusal of a file that is cut or broken."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return ConfigError(f"{key}: {path} cannot be read: {reason}")
