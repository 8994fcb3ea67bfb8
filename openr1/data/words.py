"""The words of a text: one rule for near-duplicates, contamination and repetition.

Two texts that differ in how they are typed have the same words. Compared are texts in Unicode's form NFKC and without case, so
that full-width and composed characters are what they look like; quotes, punctuation, brackets and invisible characters only
separate words. Of symbols, those that make another problem count: ``+ = < > / ^`` and the like belong to the word after them,
as does a minus sign before a number, whether there is a space between or not; a sign of multiplication separates. Every
character of a script that is written without spaces (:data:`openr1.data.language.DENSE`) is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from openr1.data.language import DENSE

if TYPE_CHECKING:
    import pyarrow as pa

RULE = 2  # raised when the same text has other words; 1 were those that white space separates
BETWEEN, LETTER, ALONE, SIGN, MARK, INVISIBLE = range(6)  # classes of characters; a mark belongs to the one before it
PUNCTUATION = re.compile(r"[^\w\s]*")
EVERY = 0x110000  # characters of Unicode
HYPHEN = re.compile(r"-(?!\s*\d)")  # any other one is a minus sign
# hyphen, dashes and minus; slashes of fractions and division
SAME_SIGN = {**dict.fromkeys("\u2010\u2012\u2013\u2014\u2015\u2212", "-"), **dict.fromkeys("\u2044\u2215\u00f7", "/")}


@dataclass(frozen=True)
class Words:
    """The words of several texts, text after text.

    :ivar codes: the characters of the texts as they are compared.
    :ivar values: the words, without what stands between a sign and its number.
    :ivar starts, ends: where each word stands in ``codes``, shape ``(words,)``.
    :ivar offsets: where the words of each text begin, and the last one's end, shape ``(texts + 1,)``.
    """

    codes: np.ndarray
    values: pa.LargeStringArray
    starts: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray

    def lists(self) -> list[list[str]]:
        """The words of each text."""
        values = self.values.to_pylist()
        return [values[start:end] for start, end in zip(self.offsets, self.offsets[1:], strict=False)]

    def passage(self, first: int, count: int) -> str:
        """So many words of one text as they stand in it, on one line, with the punctuation after them."""
        start, end = self.starts[first], self.ends[first + count - 1]
        after = PUNCTUATION.match(_string(self.codes[end:])).group()
        return " ".join(f"{_string(self.codes[start:end])}{after}".split())


def split(texts: Iterable[str | None]) -> Words:
    """The words of texts; a text that is None has none."""
    folded = [fold(text) if text else "" for text in texts]
    text = "\n".join([*folded, ""])
    begins = np.cumsum([0, *(len(one) + 1 for one in folded)])
    if text.isascii():
        codes = np.frombuffer(text.encode(), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    classes = _classes(128 if text.isascii() else EVERY)[codes]
    seen = classes != INVISIBLE
    if not seen.all():
        codes, classes, begins = codes[seen], classes[seen], np.append(0, np.cumsum(seen))[begins]
    mark = classes == MARK
    if mark.any():
        classes = classes[np.maximum.accumulate(np.where(mark, 0, np.arange(len(classes))))]
        classes[classes == MARK] = BETWEEN  # with nothing before it
    places = np.flatnonzero(classes)
    offsets = np.searchsorted(places, begins)
    first = np.flatnonzero(_begins_word(classes[places], mark[places], places, offsets))
    ends = places[np.append(first[1:], len(places)) - 1] + 1 if len(first) else first
    return Words(codes, _strings(codes[places], first), places[first], ends, np.searchsorted(first, offsets))


def fold(text: str) -> str:
    """A text in the form in which texts are compared."""
    if text.isascii():
        text = text.lower()
    else:
        # NFKC again, since without case a character may be two, of which one composes with what follows
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        for sign, same in SAME_SIGN.items():
            text = text.replace(sign, same)
    return HYPHEN.sub(" ", text)


def _begins_word(classes: np.ndarray, mark: np.ndarray, places: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Mark the characters that begin a word, of those that belong to words.

    :param classes: of the characters, of a mark that of the character it belongs to.
    :param places: where they stand in the text.
    :param offsets: the first one of each text.
    """
    begins = classes != LETTER
    begins[1:] |= (np.diff(places) > 1) | (classes[:-1] == ALONE)
    begins[1:] &= classes[:-1] != SIGN
    begins &= ~mark
    begins[offsets[:-1][offsets[:-1] < len(begins)]] = True
    return begins


def _strings(codes: np.ndarray, first: np.ndarray) -> pa.LargeStringArray:
    """Characters cut at the places where words begin."""
    import pyarrow as pa

    if codes.dtype == np.uint8:
        data, ends = codes.tobytes(), np.append(first, len(codes))
    else:
        data = _string(codes).encode()
        sizes = 1 + (codes > 0x7F).astype(np.int8) + (codes > 0x7FF) + (codes > 0xFFFF)
        ends = np.concatenate([[0], np.cumsum(sizes)])[np.append(first, len(codes))]
    return pa.LargeStringArray.from_buffers(len(first), pa.py_buffer(ends.astype(np.int64)), pa.py_buffer(data))


@cache
def _classes(size: int) -> np.ndarray:
    """The class of each of the first ``size`` characters."""
    import regex

    dense = "".join(rf"\p{{{script}}}" for script in DENSE)
    patterns = {
        LETTER: r"[\p{L}\p{N}]",
        ALONE: rf"[{dense}]",
        SIGN: r"[\p{Sm}/\^\---|~\u00d7\u22c5\u2217\u2219\u2218\u2223]",  # but for those of multiplication and bars
        MARK: r"\p{M}",
        INVISIBLE: r"\p{Cf}",
    }
    # a surrogate is no character
    every = "".join(chr(code) if not 0xD800 <= code < 0xE000 else " " for code in range(size))
    classes = np.zeros(size, dtype=np.uint8)
    for kind, pattern in patterns.items():
        for run in regex.finditer(f"(?:{pattern})+", every, regex.V1):
            classes[run.start() : run.end()] = kind
    return classes


def _string(codes: np.ndarray) -> str:
    return codes.tobytes().decode("ascii" if codes.dtype == np.uint8 else "utf-32-le", "surrogatepass")
