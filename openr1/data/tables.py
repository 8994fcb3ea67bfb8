"""Rows of tables in files: JSON, CSV and Parquet.

A violation of the file's format is refused with the file and the line: text that is not UTF-8, half of a surrogate pair, an
object with a duplicate key, a row with more or fewer cells than the header.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.data.formats import BYTE_ORDER_MARK, COMPRESSED, READ_ERRORS, open_file, unreadable
from openr1.data.json_text import any_digits
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow

BLANK = re.compile(r"\s*")
NOT_JSON = "is not JSON: it "

# selects the columns to read: (existing columns, where they are, true for a whole table and false for one row) -> columns
Pick = Callable[[Sequence[str], str, bool], list[str]]


class Row(dict[str, Any]):
    """Cells of one row of a table, by column, and the place of the row: the file and the line."""

    where: str

    def __init__(self, cells: Iterable[tuple[str, Any]], where: str) -> None:
        super().__init__(cells)
        self.where = where


def read_rows(path: Path, form: str, key: str, pick: Pick) -> Iterator[Row]:
    """Read the rows of a table.

    :param form: any of the formats except text.
    :param key: where the file stands in the config, for messages.
    :param pick: selects the columns to read.
    :raises ConfigError: for a file that violates its format.
    """
    try:
        yield from READERS[form](path, key, pick)
    except READ_ERRORS as error:
        raise unreadable(key, path, error) from error


def _lines(path: Path, key: str, refusal: str = "") -> Iterator[tuple[str, str]]:
    """Yield the lines of a file, each with its place."""
    with open_file(path) as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            try:
                decoded = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).decode()
            except UnicodeDecodeError as error:
                raise ConfigError(f"{key}: {where} {refusal}is not UTF-8 text (byte {error.start + 1})") from error
            yield decoded, where


def _json_lines(path: Path, key: str, pick: Pick) -> Iterator[Row]:
    for line, where in _lines(path, key, NOT_JSON):
        if line.strip():
            yield _object(_parse_line(line, where, key), _has_surrogate_escapes(line), where, key, pick)


def _json(path: Path, key: str, pick: Pick) -> Iterator[Row]:
    """Read an array of objects, one object, or consecutive objects.

    A file with one whole object per line is read line by line.
    """
    first = next((line for line, _ in _lines(path, key, NOT_JSON) if line.strip()), "")
    if _is_object(first):
        yield from _json_lines(path, key, pick)
        return
    content = "".join(line for line, _ in _lines(path, key, NOT_JSON))
    number, escapes = 0, _has_surrogate_escapes(content)
    for value in _values(content, str(path), key):
        for row in value if isinstance(value, list) else [value]:
            number += 1
            yield _object(row, escapes, f"{path}, row {number}", key, pick)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _values(content: str, where: str, key: str) -> Iterator[Any]:
    """Yield the consecutive JSON values of a text."""
    decoder, place = json.JSONDecoder(object_pairs_hook=_unique), 0
    while True:
        blank = BLANK.match(content, place)
        place = blank.end() if blank else place
        if place >= len(content):
            return
        value, place = _parse_with(lambda start: decoder.raw_decode(content, start), place, where, key)
        yield value


def _parse_line(line: str, where: str, key: str) -> Any:
    return _parse_with(lambda text: json.loads(text, object_pairs_hook=_unique), line, where, key)


def _parse_with(parse: Callable[[Any], Any], source: Any, where: str, key: str) -> Any:
    try:
        with any_digits():
            return parse(source)
    except RecursionError as error:
        raise ConfigError(f"{key}: {where} is nested too deeply to be read") from error
    except ValueError as error:
        raise ConfigError(f"{key}: {where} is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as an object, and refuse a duplicate key."""
    unique = dict(pairs)
    if len(unique) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has {next(name for name in names if names.count(name) > 1)!r} twice")
    return unique


def _has_surrogate_escapes(content: str) -> bool:
    """Look for escaped surrogates, the only way in which JSON text can hold half of a pair."""
    return "\\ud" in content or "\\uD" in content


def _object(value: Any, escapes: bool, where: str, key: str, pick: Pick) -> Row:
    if not isinstance(value, dict):
        raise ConfigError(f"{key}: {where} holds a {type(value).__name__}, not an object")
    row = Row(((name, value[name]) for name in pick(list(value), where, False)), where)
    if escapes:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = f"\\u{ord(error.object[error.start]):x}"
            raise ConfigError(f"{key}: {where} holds half of a character ({half}); write it whole or leave it out") from error
    return row


def _csv(path: Path, key: str, pick: Pick, separators: str) -> Iterator[Row]:
    """Read a table whose first line names the columns and whose cells are text.

    :param separators: candidates for the separator of cells, of which the first in the first line is used.
    """
    csv.field_size_limit(sys.maxsize)  # the default is 131,072 characters
    lines = (line for line, _ in _lines(path, key))
    first = next(lines, "")
    separator = next((candidate for candidate in separators if candidate in first), separators[0])
    reader = csv.reader(chain([first], lines), delimiter=separator, strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise ConfigError(f"{key}: {path} names a column twice")
        chosen = [(name, header.index(name)) for name in pick(header, str(path), True)] if header else []
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            if cells and len(cells) != len(header):
                raise ConfigError(f"{key}: {where} has {len(cells)} cells, its header {len(header)}")
            if cells:
                yield Row(((name, cells[place]) for name, place in chosen), where)
    except csv.Error as error:
        raise ConfigError(f"{key}: {path}:{reader.line_num} is not CSV: {error}") from error


def _parquet(path: Path, key: str, pick: Pick) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        compressed = path.suffix.lower() in COMPRESSED
        table = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(_bytes(path)) if compressed else path)
    except pyarrow.ArrowInvalid as error:
        raise ConfigError(f"{key}: {path} is not a Parquet file") from error
    columns, number = pick(table.schema_arrow.names, str(path), True), 0
    for batch in table.iter_batches(batch_size=1024, columns=columns):
        for cells in _python(batch, path, number, key):
            number += 1
            yield Row(cells.items(), f"{path}, row {number}")


def _bytes(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read()


def _python(batch: pyarrow.RecordBatch, path: Path, before: int, key: str) -> list[dict[str, Any]]:
    try:
        return batch.to_pylist()
    except UnicodeDecodeError as error:
        bad = next(number for number in range(len(batch)) if not _decodes(batch.slice(number, 1)))
        raise ConfigError(f"{key}: {path}, row {before + bad + 1} is not UTF-8 text") from error


def _decodes(batch: pyarrow.RecordBatch) -> bool:
    try:
        return bool(batch.to_pylist())
    except UnicodeDecodeError:
        return False


READERS: dict[str, Callable[[Path, str, Pick], Iterator[Row]]] = {
    "jsonl": _json_lines,
    "json": _json,
    "csv": partial(_csv, separators=",;"),
    "tsv": partial(_csv, separators="\t"),
    "parquet": _parquet,
}
