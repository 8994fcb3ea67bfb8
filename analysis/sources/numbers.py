"""Numbers in text, read as people write them: 1,000,000 or 3,57, 0.23B, 3e21 FLOPs, 5 %.

Points and commas are decimal marks or stand between thousands. A number such as 3,57 or 1,000,000 shows their roles itself;
1,234 takes them from the other numbers of its column, or else of its table, and is undecided if none shows them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from openr1.analysis.sources.units import parse_unit

if TYPE_CHECKING:
    import pandas as pd

OTHER = {",": ".", ".": ","}
DECIMAL, THOUSANDS = "decimal", "thousands"
PLAIN_CHARACTERS = {**dict.fromkeys("\u00a0\u2007\u2009\u202f", " "), "\u2212": "-", "\u2019": "'"}
SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"  # of a power of ten
# marks of numbers in full-width characters, and in Arabic
PLAIN_CHARACTERS |= {"\uff0d": "-", "\uff0e": ".", "\uff0c": ",", "\u066b": ".", "\u066c": ","}
OTHER_DIGIT = r"[^\P{Nd}0-9]"  # a digit of another script, such as Arabic-Indic, or a full-width one
MISSING = "(?i)^(|-|\u2013|\u2014|nan|na|n/a|none|null|nil|[?])$"
NUMBER = r"^(?P<number>[+-]?(?:\d[\d., '_]*|[.,]\d+))(?P<power>[eE][+-]?\d+)?\s*(?P<unit>.*)$"
SPACED = r"^[+-]?\d{1,3}(?:[ '_]\d{3})+(?:[.,]\d*)?$"
SPREAD = "\\s*(?:\u00b1|[+]/?-)\\s*[\\d.,]+(?:[eE][+-]?\\d+)?$"  # a standard error behind the number
INFINITE = r"(?i)^[+-]?inf(inity)?$"

Roles = frozenset[tuple[str, str]]  # pairs of a mark and its role


@dataclass(frozen=True)
class Notation:
    """Marks of the numbers of a table.

    :ivar decimal: the decimal mark, if the user names it.
    :ivar thousands: the mark between thousands, if the user names it.
    :ivar shown: the roles that numbers of the table show.
    :ivar open_point: 1.234 may be 1234, as in a file with semicolons between its columns.
    """

    decimal: str | None = None
    thousands: str | None = None
    shown: Roles = frozenset()
    open_point: bool = False

    @property
    def given(self) -> str | None:
        """The decimal mark that the user's options imply."""
        return self.decimal or OTHER.get(self.thousands or "")

    def role(self, mark: str, own: Roles = frozenset()) -> str | None:
        """Return the role of a mark, from what the user says, from the numbers of a column, or from those of the table."""
        if self.given:
            return DECIMAL if mark == self.given else THOUSANDS
        for shown in (own, self.shown):
            roles = {role if shown_mark == mark else _opposite(role) for shown_mark, role in shown}
            if roles:
                return roles.pop() if len(roles) == 1 else None
        return DECIMAL if mark == "." and not self.open_point else None


PLAIN = Notation()


def _opposite(role: str) -> str:
    return THOUSANDS if role == DECIMAL else DECIMAL


@dataclass(frozen=True)
class Numbers:
    """The numbers of a column (n,).

    :ivar values: NaN where there is none, or an undecided one.
    :ivar has_unit: cells that name a unit of their own, by which they are multiplied.
    :ivar reread: cells that are not plain numbers, but are read as such.
    :ivar unread: cells with text that is not a number.
    :ivar undecided: cells such as 1,234 whose marks have no certain role.
    """

    values: np.ndarray
    has_unit: np.ndarray
    reread: np.ndarray
    unread: np.ndarray
    undecided: np.ndarray


def read_numbers(column: pd.Series, key: str, notation: Notation) -> Numbers:
    """Read the numbers of a column of a quantity."""
    import pandas as pd

    texts = is_text(column)
    none = np.zeros(len(column), dtype=bool)
    numeric = not texts.any() and not _is_time(column)
    if numeric:
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        return Numbers(values, none, none, column.notna().to_numpy() & np.isnan(values), none)
    if _is_time(column):
        return Numbers(np.full(len(column), np.nan), none, none, column.notna().to_numpy(), none)
    values = np.full(len(column), np.nan)
    if not texts.all():
        values[~texts] = pd.to_numeric(column[~texts], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    read = TextNumbers(column[texts]).read(key, notation)
    masks = [none.copy() for _ in range(4)]
    values[texts] = read.values
    for mask, part in zip(masks, (read.has_unit, read.reread, read.unread, read.undecided), strict=True):
        mask[texts] = part
    masks[2] |= ~texts & column.notna().to_numpy() & np.isnan(values)
    return Numbers(values, *masks)


def is_text(column: pd.Series) -> np.ndarray:
    """Return a mask (n,) of the cells that are text."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, pd.StringDtype):
        return column.notna().to_numpy()
    if column.dtype != object:
        return np.zeros(len(column), dtype=bool)
    return np.fromiter((isinstance(value, str) for value in column), dtype=bool, count=len(column))


def _is_time(column: pd.Series) -> bool:
    """Return True for dates and durations, which pandas would turn into counts of nanoseconds."""
    return column.dtype.kind in "mM"


def shown_roles(columns: Iterable[pd.Series]) -> Roles:
    """Return the roles of marks that the numbers of columns show."""
    shown: Roles = frozenset()
    for column in columns:
        texts = is_text(column)
        if texts.any():
            shown |= TextNumbers(column[texts]).roles
    return shown


class TextNumbers:
    """Cells of text, as arrays of Arrow, whose functions take a million of them in a second or less."""

    def __init__(self, column: pd.Series) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        text = pa.array(column.astype(str), type=pa.large_string(), from_pandas=True)
        if isinstance(text, pa.ChunkedArray):
            text = text.combine_chunks()
        if not pc.all(pc.string_is_ascii(text)).as_py():
            for character, plain in PLAIN_CHARACTERS.items():
                text = pc.replace_substring(text, character, plain)
            text = pc.replace_substring_regex(text, f"10([{SUPERSCRIPTS}])", r"10^\1")
            for power, character in enumerate(SUPERSCRIPTS):
                text = pc.replace_substring(text, character, str(power))
        self.other_digits = _matches(text, OTHER_DIGIT, OTHER_DIGIT)
        if self.other_digits.any():
            written = pc.unique(text.filter(pa.array(self.other_digits))).to_pylist()
            for character in set("".join(written)):
                if not character.isascii() and (digit := unicodedata.decimal(character, None)) is not None:
                    text = pc.replace_substring(text, character, str(digit))
        self.with_spread = _matches(text, SPREAD, "\u00b1|[+]/?-")
        if self.with_spread.any():
            text = pc.replace_substring_regex(text, SPREAD, "")
        self.text = pc.replace_substring_regex(pc.utf8_trim_whitespace(text), r"^10(?:\^|\*\*)(\d+)", r"1e\1")
        self.number, self.power, self.unit = self._split()
        self.spaced = _matches(self.number, SPACED, "[ '_]")
        if self.spaced.any():
            self.number = pc.if_else(self.spaced, pc.replace_substring_regex(self.number, "[ '_]", ""), self.number)
        self._find_marks()

    def _split(self) -> tuple[Any, Any, Any]:
        """Split each cell into digits with their marks, a power of ten and the name of a unit, all empty without a number."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if _matches(self.text, r"^-?[\d.,]+$").all():
            empty = pa.array(np.full(len(self.text), ""), type=pa.large_string())
            return self.text, empty, empty
        parts = pc.extract_regex(self.text, NUMBER)
        number, power, unit = (pc.fill_null(pc.struct_field(parts, name), "") for name in ("number", "power", "unit"))
        return pc.replace_substring(pc.utf8_trim_whitespace(number), "+", ""), power, unit

    def _find_marks(self) -> None:
        """Find what the form of each number says about its marks."""
        has_power = _matches(self.power, ".")
        self.plain = _matches(self.number, r"^-?\d+[.]?$")
        self.decimal, self.grouped, self.undecided = {}, {}, {}
        for mark in OTHER:
            m, o = rf"\{mark}", rf"\{OTHER[mark]}"
            single = _matches(self.number, rf"^-?\d*{m}\d+$", m)
            open_ = _matches(self.number, rf"^-?[1-9]\d{{0,2}}{m}\d{{3}}$", m) & ~(has_power | self.spaced)
            groups = rf"^-?\d{{1,3}}(({m}\d{{2,3}})*{m}\d{{3}}{o}\d*|({m}\d{{2,3}})+{m}\d{{3}})$"
            self.undecided[mark] = open_
            self.decimal[mark] = single & ~open_
            self.grouped[mark] = _matches(self.number, groups, m)

    @property
    def roles(self) -> Roles:
        """The roles of marks that these numbers show."""
        shown = {(mark, DECIMAL) for mark in OTHER if self.decimal[mark].any()}
        return frozenset(shown | {(mark, THOUSANDS) for mark in OTHER if self.grouped[mark].any()})

    def read(self, key: str, notation: Notation) -> Numbers:
        """Read the numbers of a quantity."""
        import pyarrow as pa
        import pyarrow.compute as pc

        number, known, undecided = self.number, self.plain.copy(), np.zeros(len(self.plain), dtype=bool)
        for mark in OTHER:
            role = notation.role(mark, self.roles)
            decimal, grouped = self.decimal[mark].copy(), self.grouped[mark].copy()
            if notation.given:  # a number that contradicts what the user says is none
                decimal &= role == DECIMAL
                grouped &= role == THOUSANDS
            decimal |= self.undecided[mark] & (role == DECIMAL)
            grouped |= self.undecided[mark] & (role == THOUSANDS)
            undecided |= self.undecided[mark] & (role is None)
            if grouped.any():
                number = pc.if_else(pa.array(grouped), pc.replace_substring(number, mark, ""), number)
            if decimal.any() or grouped.any():
                number = pc.if_else(pa.array(decimal | grouped), pc.replace_substring(number, ",", "."), number)
            known |= decimal | grouped
        factor, named = self._factors(key)
        known &= np.isfinite(factor)
        digits = pc.binary_join_element_wise(number, self.power, pa.scalar("", pa.large_string()))
        digits = pc.if_else(pa.array(known), digits, pa.scalar(None, pa.large_string()))
        values = pc.cast(digits, pa.float64()).to_numpy(zero_copy_only=False) * np.where(known, factor, 1.0)
        infinite = _matches(self.text, INFINITE)
        values[infinite] = np.where(_matches(self.text, "^-")[infinite], -np.inf, np.inf)
        unread = ~(known | undecided | infinite | _matches(self.text, MISSING))
        changed = known & (named | self.spaced | self.decimal[","] | self.undecided[","])
        changed |= known & (self.other_digits | self.with_spread)
        changed |= known & (self.grouped[","] | self.grouped["."])
        changed |= known & self.undecided["."] & (notation.role(".", self.roles) == THOUSANDS)
        return Numbers(values, known & named, changed, unread, undecided & np.isfinite(factor))

    def _factors(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the factor (n,) of the unit of each cell, NaN if it is unknown, and a mask of the cells that name one."""
        import pyarrow.compute as pc

        encoded = pc.dictionary_encode(self.unit)
        units: list[Any] = encoded.dictionary.to_pylist()
        factors = np.full(len(units), np.nan)
        for place, text in enumerate(units):
            unit = parse_unit(text, key) if text and key else None
            factors[place] = 1.0 if not text else unit.factor if unit else np.nan
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        return factors[codes], np.array([bool(text) for text in units], dtype=bool)[codes]


def _matches(text: Any, pattern: str, needs: str = "") -> np.ndarray:
    """Return a mask (n,) of the cells that match a pattern; cells match only if one of them has what ``needs`` matches."""
    import pyarrow.compute as pc

    if needs and not pc.any(pc.match_substring_regex(text, needs)).as_py():
        return np.zeros(len(text), dtype=bool)
    return pc.match_substring_regex(text, pattern).to_numpy(zero_copy_only=False)


def in_words(value: float) -> str:
    """Write a number for a message: 230 million, or all of its digits if that would need more than four."""
    for factor, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if factor <= abs(value) < 1000 * factor and np.isclose(value, float(f"{value:.4g}"), rtol=1e-12, atol=0):
            return f"{value / factor:.4g} {word}"
    return f"{value:.15g}"
