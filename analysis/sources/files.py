"""Tables in files: CSV and its kin, JSON, JSON lines, Excel, Parquet, Feather, each plain or compressed.

The content of a file says what it is, whatever its name.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.analysis.sources.columns import Keys
from openr1.analysis.sources.delimited import read_delimited
from openr1.analysis.sources.numbers import PLAIN, Notation
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = {
    "csv": "CSV",
    "json": "JSON",
    "jsonl": "JSON lines",
    "excel": "Excel",
    "parquet": "Parquet",
    "feather": "Feather",
}
SIGNATURES = {b"PAR1": "parquet", b"ARROW1": "feather", b"PK\x03\x04": "excel"}
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
ZIP, EXCEL_PART = b"PK\x03\x04", "[Content_Types].xml"
SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")


@dataclass(frozen=True)
class Table:
    """The rows of a source, how the numbers in its text are written, and lines about how it was read."""

    rows: pd.DataFrame
    notation: Notation = PLAIN
    notes: list[str] = field(default_factory=list)
    other_sheets: tuple[str, ...] = ()  # of the Excel file


@dataclass(frozen=True)
class FileOptions:
    """How a file is read; null for what its content says."""

    format: str | None = None
    separator: str | None = None
    notation: Notation = PLAIN
    sheet: str | None = None


def read_table(path: Path, options: FileOptions, keys: Keys) -> Table:
    """Read the table of a file.

    :raises ConfigError: if there is no such file, it is not of the format, or its separator is not certain.
    """
    if not path.is_file():
        raise ConfigError(f"{keys.option('path')}: there is no file {path}")
    content = _decompress(path.read_bytes(), path, keys)
    found = _find_format(content)
    if content.startswith(OLD_EXCEL):
        raise ConfigError(f"{keys.option('path')}: {path} is an old Excel file; save it as .xlsx or .csv")
    for option, kind in (("sheet", "excel"), ("separator", "csv")):
        if getattr(options, option) is not None and found != kind:
            raise ConfigError(f"{keys.option(option)}: {path.name} is {FORMATS[found]}, which has no {option}s; leave it out")
    wanted = options.format or found
    # JSON lines of a single line may be JSON, and text that begins with a bracket may be CSV
    if found == "csv" or (wanted, found) in (("jsonl", "json"), ("json", "jsonl")):
        found = wanted
    notes = [] if found == wanted else [f"{path.name} is {FORMATS[found]}, not {FORMATS[wanted]}, and is read as such"]
    try:
        table = _READERS[found](content, options, keys)
    except ImportError as error:
        raise ConfigError(f"{keys.option('path')}: Excel files need openpyxl: pip install 'openr1[excel]'") from error
    except ConfigError:
        raise
    except (
        ValueError,
        KeyError,
        OSError,
        csv.Error,
        zipfile.BadZipFile,
    ) as error:  # pandas, json and Arrow raise kinds of these
        why = (str(error).splitlines() or [type(error).__name__])[0]
        kind = f"{'an' if found == 'excel' else 'a'} {FORMATS[found]} file"
        raise ConfigError(f"{keys.option('path')}: {path} is not {kind}: {why}") from error
    return replace(table, notes=notes + table.notes)


def study_name(path: str) -> str:
    """Return the name of a file without its suffixes."""
    name = Path(path)
    return Path(name.stem).stem if name.suffix in SUFFIXES else name.stem


def _decompress(content: bytes, path: Path, keys: Keys) -> bytes:
    kind = next((kind for signature, kind in COMPRESSED.items() if content.startswith(signature)), None)
    if kind is None:
        return _unzip(content, path, keys)
    import pyarrow as pa

    functions: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "bzip2": bz2.decompress,
        "xz": lzma.decompress,
        "Zstandard": lambda data: pa.CompressedInputStream(pa.BufferReader(data), "zstd").read(),
    }
    try:
        return functions[kind](content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise ConfigError(f"{keys.option('path')}: {path} is damaged {kind} data: {str(error).splitlines()[0]}") from error


def _unzip(content: bytes, path: Path, keys: Keys) -> bytes:
    """Return the only file of a ZIP archive; other content, and Excel files, which are such archives, as they are.

    :raises ConfigError: for an archive of several files.
    """
    if not content.startswith(ZIP) or not zipfile.is_zipfile(io.BytesIO(content)):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if EXCEL_PART in names:
            return content
        if len(names) != 1:
            raise ConfigError(f"{keys.option('path')}: {path} is a ZIP archive of {len(names)} files; unpack it, and give one")
        return archive.read(names[0])


def _find_format(content: bytes) -> str:
    """Return the format that the content is certainly of, or else CSV."""
    for signature, name in SIGNATURES.items():
        if content.startswith(signature):
            return name
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    while start.startswith(b"#"):  # a comment
        start = start.partition(b"\n")[2].lstrip()
    if not start.startswith((b"{", b"[")):
        return "csv"
    first, _, others = start.partition(b"\n")
    if start.startswith(b"{") and others.strip():
        try:
            json.loads(first)
            return "jsonl"
        except ValueError:
            pass
    return "json"


def _read_csv(content: bytes, options: FileOptions, keys: Keys) -> Table:
    return Table(*read_delimited(content, options.separator, options.notation, keys))


def _read_json_lines(content: bytes, options: FileOptions, keys: Keys) -> Table:
    lines = content.decode("utf-8-sig").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    return _from_records([json.loads(line) for line in lines], options)


def _read_json(content: bytes, options: FileOptions, keys: Keys) -> Table:
    """Read a list of records, a mapping from each column to its values, or one that has the list of records."""
    import pandas as pd

    data = json.loads(content.decode("utf-8-sig"))
    if isinstance(data, list):
        return _from_records(data, options)
    if not isinstance(data, dict):
        raise ValueError("it is neither a list nor a mapping")
    lists = [values for values in data.values() if isinstance(values, list) and values and isinstance(values[0], dict)]
    if len(lists) == 1:
        return _from_records(lists[0], options)
    if {"columns", "data"} <= {*data} and all(isinstance(row, list) for row in data["data"]):  # of pandas, orient="split"
        return Table(pd.DataFrame(data["data"], columns=data["columns"]), options.notation)
    if data and all(isinstance(values, list) for values in data.values()):
        return Table(pd.DataFrame(data), options.notation)
    if data and all(isinstance(values, dict) for values in data.values()):
        inner = {name for values in data.values() for name in values}
        if all(name.isdigit() for name in inner):  # numbers of rows, as pandas writes them
            return Table(pd.DataFrame(data).reset_index(drop=True), options.notation)
        return _from_records([{"name": name, **values} for name, values in data.items()], options)
    if not any(isinstance(value, (list, dict)) for value in data.values()):
        return _from_records([data], options)
    raise ValueError("it is neither a list of records nor a mapping from columns to values")


def _from_records(records: list[Any], options: FileOptions) -> Table:
    """Build a table of records; the keys of records within a record are joined with dots."""
    import pandas as pd

    if not all(isinstance(record, dict) for record in records):
        raise ValueError("a row is not a record")
    nested = any(isinstance(value, dict) for record in records for value in record.values())
    return Table(pd.json_normalize(records) if nested else pd.DataFrame(records), options.notation)


def _read_excel(content: bytes, options: FileOptions, keys: Keys) -> Table:
    import pandas as pd

    with pd.ExcelFile(io.BytesIO(content), engine="openpyxl") as book:
        names = [str(name) for name in book.sheet_names]
        if options.sheet is not None and options.sheet not in names:
            raise ConfigError(f"{keys.option('sheet')}: there is no sheet {options.sheet!r}; there are {', '.join(names)}")
        cells = book.parse(options.sheet or names[0], header=None)
    cells = cells.dropna(how="all").dropna(how="all", axis=1)
    if cells.empty:
        raise ValueError(f"sheet {options.sheet or names[0]} is empty")
    filled = cells.notna().sum(axis=1).to_numpy()
    titles = 0  # rows of a single cell above a wide table
    while titles < len(cells) - 1 and filled[titles] == 1 and cells.shape[1] > 2:
        titles += 1
    above = [f"{titles} row{'s' * (titles > 1)} above the header {'are' if titles > 1 else 'is'} left out"] if titles else []
    cells = cells.iloc[titles:].dropna(how="all", axis=1)
    rows = cells.iloc[1:].reset_index(drop=True).infer_objects()
    rows.columns = [str(name).strip() for name in cells.iloc[0]]
    several = len(names) > 1 and options.sheet is None
    note = f"the first of {len(names)} sheets, {names[0]!r}, is read; {keys.option('sheet')} names another"
    others = tuple(name for name in names if name != (options.sheet or names[0]))
    return Table(rows, options.notation, ([note] if several else []) + above, others)


def _read_parquet(content: bytes, options: FileOptions, keys: Keys) -> Table:
    import pandas as pd

    return Table(_with_index(pd.read_parquet(io.BytesIO(content))), options.notation)


def _read_feather(content: bytes, options: FileOptions, keys: Keys) -> Table:
    import pandas as pd

    return Table(_with_index(pd.read_feather(io.BytesIO(content))), options.notation)


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the levels of an index that have names into columns."""
    named = [name for name in table.index.names if name is not None and name not in table]
    return table.reset_index(level=named).reset_index(drop=True) if named else table.reset_index(drop=True)


_READERS: dict[str, Callable[[bytes, FileOptions, Keys], Table]] = {
    "csv": _read_csv,
    "json": _read_json,
    "jsonl": _read_json_lines,
    "excel": _read_excel,
    "parquet": _read_parquet,
    "feather": _read_feather,
}
