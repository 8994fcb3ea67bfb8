"""Words of a text: one rule for near-duplicates, contamination and repetition.

Texts that differ only in typography have the same words. Texts are compared in Unicode's form NFKC and without case, so that
full-width and composed characters equal their plain forms; quotes, punctuation, brackets and invisible characters only separate
words. Symbols that change a problem count: ``+ = < > / ^`` and the like belong to the word after them, as does a minus sign
before a number, with or without a space between; a multiplication sign separates words. Every character of a script that is
written without spaces (:data:`openr1.data.language.DENSE`) is a word.
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

RULE = 2  # raised when the same text has other words; rule 1 was separation by white space
BETWEEN, LETTER, ALONE, SIGN, MARK, INVISIBLE = range(6)  # classes of characters; a mark belongs to the one before it
PUNCTUATION = re.compile(r"[^\w\s]*")
UNICODE_SIZE = 0x110000  # code points of Unicode
HYPHEN = re.compile(r"-(?!\s*\d)")  # before a number it is a minus sign
# hyphen, dashes and minus; slashes of fractions and division
SAME_SIGN = {**dict.fromkeys("\u2010\u2012\u2013\u2014\u2015\u2212", "-"), **dict.fromkeys("\u2044\u2215\u00f7", "/")}


@dataclass(frozen=True)
class Words:
    """Words of several texts, text after text.

    :ivar codes: the characters of the normalised texts.
    :ivar values: the words, without spaces between a sign and its number.
    :ivar starts, ends: the place of each word in ``codes``, shape ``(words,)``.
    :ivar offsets: the index of the first word of each text, and the number of words, shape ``(texts + 1,)``.
    """

    codes: np.ndarray
    values: pa.LargeStringArray
    starts: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray

    def lists(self) -> list[list[str]]:
        """Return the words of each text."""
        values = self.values.to_pylist()
        return [values[start:end] for start, end in zip(self.offsets, self.offsets[1:], strict=False)]

    def passage(self, first: int, count: int) -> str:
        """Return ``count`` words of one text as they stand in it, on one line, with the punctuation after them."""
        start, end = self.starts[first], self.ends[first + count - 1]
        after = PUNCTUATION.match(_string(self.codes[end:]))
        return " ".join(f"{_string(self.codes[start:end])}{after.group() if after else ''}".split())


def split_words(texts: Iterable[str | None]) -> Words:
    """Split texts into words; a text that is None has none."""
    folded = [fold(text) if text else "" for text in texts]
    text = "\n".join([*folded, ""])
    begins = np.cumsum([0, *(len(form) + 1 for form in folded)])
    if text.isascii():
        codes = np.frombuffer(text.encode(), np.uint8)
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    classes = _classes(128 if text.isascii() else UNICODE_SIZE)[codes]
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
    """Normalise a text for comparison."""
    if text.isascii():
        text = text.lower()
    else:
        # NFKC again, since case folding may turn a character into two, of which one composes with the next
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        for sign, same in SAME_SIGN.items():
            text = text.replace(sign, same)
    return HYPHEN.sub(" ", text)


def _begins_word(classes: np.ndarray, mark: np.ndarray, places: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Mark the characters that begin a word, of those that belong to words.

    :param classes: class of each character; a mark has the class of the character that it belongs to.
    :param places: place of each character in the joined text.
    :param offsets: the first character of each text.
    """
    begins = classes != LETTER
    begins[1:] |= (np.diff(places) > 1) | (classes[:-1] == ALONE)
    begins[1:] &= classes[:-1] != SIGN
    begins &= ~mark
    begins[offsets[:-1][offsets[:-1] < len(begins)]] = True
    return begins


def _strings(codes: np.ndarray, first: np.ndarray) -> pa.LargeStringArray:
    """Cut characters at the places where words begin."""
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
    """Return the class of each of the first ``size`` code points."""
    import regex

    dense = "".join(rf"\p{{{script}}}" for script in DENSE)
    patterns = {
        LETTER: r"[\p{L}\p{N}]",
        ALONE: rf"[{dense}]",
        SIGN: r"[\p{Sm}/\^\---|~\u00d7\u22c5\u2217\u2219\u2218\u2223]",  # except multiplication signs and bars
        MARK: r"\p{M}",
        INVISIBLE: r"\p{Cf}",
    }
    # a surrogate is not a character
    every = "".join(chr(code) if not 0xD800 <= code < 0xE000 else " " for code in range(size))
    classes = np.zeros(size, dtype=np.uint8)
    for kind, pattern in patterns.items():
        for run in regex.finditer(f"(?:{pattern})+", every, regex.V1):
            classes[run.start() : run.end()] = kind
    return classes


def _string(codes: np.ndarray) -> str:
    return codes.tobytes().decode("ascii" if codes.dtype == np.uint8 else "utf-32-le", "surrogatepass")
