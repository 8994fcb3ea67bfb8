"""The rows of tables in files: JSON, CSV and Parquet.

What is not in the file's format is refused with the file and the line: text that is not UTF-8, half of a surrogate pair, an
object with a key twice, a row with more or fewer cells than the header.
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

from openr1.data.formats import COMPRESSED, MARK, READABLE, damaged, opened
from openr1.data.program_tests import any_digits
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow

BLANK = re.compile(r"\s*")
NOT_JSON = "is not JSON: it "

# the columns that are read, of those that there are; where they are; whether they are those of a whole table, or of one row
Pick = Callable[[Sequence[str], str, bool], list[str]]


class Row(dict[str, Any]):
    """A row of a table by column, and where it stands: the file and the line."""

    where: str

    def __init__(self, cells: Iterable[tuple[str, Any]], where: str) -> None:
        super().__init__(cells)
        self.where = where


def rows(path: Path, form: str, key: str, pick: Pick) -> Iterator[Row]:
    """The rows of a table.

    :param form: any of the formats but text.
    :param pick: chooses the columns that are read.
    :raises ConfigError: for what is not of the format.
    """
    try:
        yield from READERS[form](path, key, pick)
    except READABLE as error:
        raise damaged(key, path, error) from error


def _lines(path: Path, key: str, refusal: str = "") -> Iterator[tuple[str, str]]:
    """The lines of a file, each with the place where it stands."""
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            where = f"{path}:{number}"
            try:
                decoded = (line.removeprefix(MARK) if number == 1 else line).decode()
            except UnicodeDecodeError as error:
                raise ConfigError(f"{key}: {where} {refusal}is not UTF-8 text (byte {error.start + 1})") from error
            yield decoded, where


def _json_lines(path: Path, key: str, pick: Pick) -> Iterator[Row]:
    for line, where in _lines(path, key, NOT_JSON):
        if line.strip():
            yield _object(_parsed(line, where, key), _has_escapes(line), where, key, pick)


def _json(path: Path, key: str, pick: Pick) -> Iterator[Row]:
    """An array of objects, one object, or objects one after another: whole ones on lines are read line by line."""
    first = next((line for line, _ in _lines(path, key, NOT_JSON) if line.strip()), "")
    if _is_object(first):
        yield from _json_lines(path, key, pick)
        return
    content = "".join(line for line, _ in _lines(path, key, NOT_JSON))
    number, escapes = 0, _has_escapes(content)
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
    """The JSON values of a text, one after another."""
    decoder, place = json.JSONDecoder(object_pairs_hook=_unique), 0
    while (place := BLANK.match(content, place).end()) < len(content):
        value, place = _guarded(lambda start: decoder.raw_decode(content, start), place, where, key)
        yield value


def _parsed(line: str, where: str, key: str) -> Any:
    return _guarded(lambda text: json.loads(text, object_pairs_hook=_unique), line, where, key)


def _guarded(parse: Callable[[Any], Any], given: Any, where: str, key: str) -> Any:
    try:
        with any_digits():
            return parse(given)
    except RecursionError as error:
        raise ConfigError(f"{key}: {where} is nested too deeply to be read") from error
    except ValueError as error:
        raise ConfigError(f"{key}: {where} is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, of which no key is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def _has_escapes(content: str) -> bool:
    """Look for escapes of surrogates in JSON text, the only way in which it can hold half a pair."""
    return "\\ud" in content or "\\uD" in content


def is_whole(value: Any) -> bool:
    """Tell whether all texts in a value of JSON are whole: none has half of a pair of surrogates."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


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
    """Columns are named in the first line, and every cell is text.

    :param separators: of the cells, the first one that the first line has.
    """
    csv.field_size_limit(sys.maxsize)  # 131,072 characters where nothing is said
    lines = (line for line, _ in _lines(path, key))
    first = next(lines, "")
    separator = next((one for one in separators if one in first), separators[0])
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
    with opened(path) as file:
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
