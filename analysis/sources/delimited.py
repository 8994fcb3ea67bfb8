"""Text files with a header and a row per line: their encoding, separator, and the marks of their numbers."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.sources.columns import MARKS, Keys
from openr1.analysis.sources.numbers import DECIMAL, Notation, TextNumbers, shown_roles
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
WHITESPACE = r"\s+"
SAMPLE = 1 << 16  # bytes at the beginning that tell the separator
EXCEL_SEPARATOR = r"sep=(.)"  # a line above the header
COMMENTS = ("#", "//")
MOST_TITLES = 10  # lines above a header
SAID = {**MARKS, WHITESPACE: "white space"}


def read_delimited(
    content: bytes, separator: str | None, notation: Notation, keys: Keys
) -> tuple[pd.DataFrame, Notation, list[str]]:
    """Read a table; return it with the notation of its numbers, and a line about what is unusual.

    With commas between columns, a point is a decimal mark, and pandas reads the numbers. With any other separator, or marks
    that the user names, numbers are read from text, since 1.234 may be 1234.

    :raises ConfigError: if the separator is not certain.
    :raises ValueError: if the text is not such a table.
    """
    content, notes = _to_utf8(content)
    if not content.strip():
        raise ValueError("it is empty")
    content, skipped_lines = _without_preamble(content, separator)
    notes += skipped_lines
    lines = _first_lines(content)
    skipped = 0
    if lines and (found := re.fullmatch(EXCEL_SEPARATOR, lines[0].strip("\r\n"))):  # a line that Excel writes
        separator, lines, skipped = separator or found[1], lines[1:], 1
    separator = WHITESPACE if separator == " " else separator or _find_separator(lines, keys)
    header, extra = _read_header(lines, separator)
    as_text = separator != "," or notation.given is not None
    options: dict[str, Any] = {
        "skiprows": skipped,
        "sep": separator,
        "encoding": "utf-8",
        "skipinitialspace": separator != "\t",
    }
    options |= {"dtype": str} if as_text else {"low_memory": False}
    table = _parse(content, options, extra)
    if len(table.columns) == len(header):  # pandas renames the second of two columns of one name
        table.columns = [name or f"unnamed {place}" for place, name in enumerate(header)]
        table = table.loc[:, [bool(name) or filled for name, filled in zip(header, table.notna().any(), strict=True)]]
    if as_text:
        table, notation = _convert(table, replace(notation, open_point=separator != ","))
    elif _has_fractions(table):
        notation = replace(notation, shown=frozenset({(".", DECIMAL)}) | shown_roles(column for _, column in table.items()))
    return table, notation, notes + _describe(separator, notation)


def _to_utf8(content: bytes) -> tuple[bytes, list[str]]:
    """Return the text in UTF-8 without its byte-order mark, and a line about text of another encoding.

    :raises ValueError: if it is no text.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16").encode(), []
    if b"\0" in content:
        raise ValueError("it is no text")
    try:
        content.decode()
    except UnicodeDecodeError:  # as Excel saves CSV files in western Europe; numbers are the same in either encoding
        return content.decode("cp1252").encode(), ["the file is not in UTF-8, and is read as Windows-1252"]
    return content.removeprefix(codecs.BOM_UTF8), []


def _without_preamble(content: bytes, separator: str | None) -> tuple[bytes, list[str]]:
    """Return the text from its header on, and a line about comments and a title that stand above it.

    A comment begins with #, and is the header if the columns below have no other one, as numpy writes it. A title is a line
    of a single cell above rows of three columns or more.
    """
    lines = content[:SAMPLE].splitlines(keepends=True)
    texts = [line.decode(errors="replace").strip() for line in lines]
    if texts and re.fullmatch(EXCEL_SEPARATOR, texts[0]):
        return content, []
    start = next((place for place, text in enumerate(texts) if text and not text.startswith(COMMENTS)), 0)
    comments = [place for place in range(start) if texts[place]]
    header = texts[comments[-1]].lstrip("#/").strip() if comments else ""
    if comments and _is_header_of(header, texts[start], separator):
        left_out = [texts[place] for place in comments[:-1]]
        if not left_out and not re.match(r"(#|//)\s", texts[comments[-1]]):
            return content, []  # the name of the first column may begin with #
        content = header.encode() + b"\n" + content[sum(map(len, lines[:start])) :]
        return content, _describe_preamble(left_out)
    while start < min(len(texts), MOST_TITLES) and _is_title(texts[start:], separator):
        comments.append(start)
        start = next((place for place in range(start + 1, len(texts)) if texts[place]), len(texts))
    if not comments:
        return content, []
    return content[sum(map(len, lines[:start])) :], _describe_preamble([texts[place] for place in comments])


def _is_header_of(header: str, row: str, separator: str | None) -> bool:
    """Return True for the text of a comment that has as many cells as the row of numbers below it."""
    for mark in [separator] if separator and separator != " " else SEPARATORS:
        names, cells = (next(csv.reader([text], delimiter=mark), []) for text in (header, row))
        if len(names) == len(cells) > 1:
            return any(map(_is_number, cells)) and not any(map(_is_number, names))
    return False


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?", text.strip()))


def _is_title(texts: list[str], separator: str | None) -> bool:
    """Return True if the first line is a single cell, and nearly all others have one number of cells, three or more."""
    marks = [separator] if separator and separator != " " else SEPARATORS
    if any(_cells(texts[:1], mark) != [1] for mark in marks):
        return False
    for mark in marks:
        widths = _cells([text for text in texts[1:] if text][:100], mark)
        usual = max(set(widths), key=widths.count, default=0)
        if usual > 2 and widths.count(usual) >= 0.8 * len(widths):
            return True
    return False


def _cells(texts: list[str], mark: str) -> list[int]:
    """Return the number of cells with text of each line."""
    return [sum(bool(cell.strip()) for cell in row) for row in csv.reader(texts, delimiter=mark)]


def _describe_preamble(lines: list[str]) -> list[str]:
    if not lines:
        return []
    what = f"the line {lines[0][:60]!r} above the header is" if len(lines) == 1 else f"{len(lines)} lines above the header are"
    return [f"{what} left out"]


def _first_lines(content: bytes) -> list[str]:
    """Return the whole lines of the beginning that have text."""
    text = content[:SAMPLE].decode("utf-8", errors="replace")
    if len(content) > SAMPLE:
        text = text.rpartition("\n")[0]
    return [line for line in io.StringIO(text, newline="") if line.strip()]


def _find_separator(lines: list[str], keys: Keys) -> str:
    """Return the separator that divides every line into as many columns as the header, and the header into several.

    :raises ConfigError: if there are several.
    """
    widths = {mark: [len(row) for row in csv.reader(lines, delimiter=mark)] for mark in SEPARATORS}
    several = {mark: counts for mark, counts in widths.items() if counts and counts[0] > 1}
    # a line may end with a separator, or begin with the name of its row
    even = [mark for mark, counts in several.items() if all(count in (counts[0], counts[0] + 1) for count in counts)]
    if len(even) > 1:
        choices = " or ".join(keys.setting("separator", mark) for mark in even)
        raise ConfigError(
            f"{keys.option('separator')}: columns may be separated by {' or by '.join(SAID[mark] for mark in even)};"
            f" write {choices}"
        )
    if even or several:
        return even[0] if even else max(several, key=lambda mark: several[mark][0])
    words = {len(line.split()) for line in lines}
    return WHITESPACE if len(lines) > 1 and len(words) == 1 and words.pop() > 1 else ","


def _read_header(lines: list[str], separator: str) -> tuple[list[str], str]:
    """Return the names of the columns, and what the lines below have more: ``end`` for a separator at their end, ``names``
    for a name before the first column, as R writes it.
    """
    if separator == WHITESPACE:
        return (lines[0].split() if lines else []), ""
    rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t"))
    header = [name.strip() for name in rows[0]] if rows else []
    longer = [len(row) > len(header) for row in rows[1:]]
    if not any(longer):
        return header, ""
    if not all(len(row) == len(header) + 1 for row in rows[1:]):
        row = longer.index(True)
        raise ValueError(f"row {row} has {len(rows[row + 1])} columns, and the header has {len(header)}")
    return header, "end" if all(not row[-1].strip() for row in rows[1:]) else "names"


def _parse(content: bytes, options: dict[str, Any], extra: str) -> pd.DataFrame:
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.ParserWarning)  # of separators at the end of lines, which are left out
        table = pd.read_csv(io.BytesIO(content), index_col=False if extra == "end" else None, **options)
    return table.reset_index(drop=True)


def _has_fractions(table: pd.DataFrame) -> bool:
    """Return True if a column has numbers with a decimal point, which the numbers in text of the table then have too."""
    floats = (column.to_numpy() for _, column in table.items() if column.dtype.kind == "f")
    return any(bool((np.isfinite(values) & (values != np.floor(values))).any()) for values in floats)


def _convert(table: pd.DataFrame, notation: Notation) -> tuple[pd.DataFrame, Notation]:
    """Turn columns of text into numbers where every cell is one; return what they show of the notation, too."""
    import pandas as pd

    filled = [column.notna().to_numpy() for _, column in table.items()]
    cells = [TextNumbers(column[known]) for (_, column), known in zip(table.items(), filled, strict=True)]
    notation = replace(notation, shown=frozenset().union(*(part.roles for part in cells)))
    columns = []
    for (_, column), known, part in zip(table.items(), filled, cells, strict=True):
        read = part.read("", notation)
        # digits of another script are left to whoever reads a quantity, who says so
        if read.unread.any() or read.undecided.any() or part.other_digits.any():
            columns.append(column)
        elif known.all() and part.plain.all() and (np.abs(read.values) < 2**53).all():
            columns.append(pd.Series(read.values.astype("int64"), index=column.index))
        else:
            values = np.full(len(column), np.nan)
            values[known] = read.values
            columns.append(pd.Series(values, index=column.index))
    converted = pd.concat(columns, axis=1)
    converted.columns = table.columns
    return converted, notation


def _describe(separator: str, notation: Notation) -> list[str]:
    """Return a line about a file whose separator is not a comma, or whose decimal marks are commas."""
    parts = [] if separator == "," else [f"{_plural(SAID.get(separator, repr(separator)))} between its columns"]
    if notation.role(",") == DECIMAL:
        parts.append("decimal commas")
    return [f"the file is read with {' and '.join(parts)}"] if parts else []


def _plural(word: str) -> str:
    return word if word == "white space" else f"{word}s"
