"""Reads an answer to its end, as one of the forms of :mod:`openr1.rewards.mathematics.reading`.

:func:`read` tries the forms in this order and gives the first that takes the whole text. What no form takes is not read, and so
is neither right nor, as a gold answer, a measure of anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache

from openr1.rewards.mathematics.equality import is_constant, same
from openr1.rewards.mathematics.latex import DEPTH, depth, expression
from openr1.rewards.mathematics.markup import closing_of, plain
from openr1.rewards.mathematics.numbers import DECIMAL, Number, number, trailing_unit
from openr1.rewards.mathematics.reading import (
    Based,
    Bracketed,
    Contradiction,
    Equation,
    Expression,
    Named,
    Ratio,
    Reading,
    Several,
    Text,
    Time,
)

LONGEST = 5000  # characters of an answer that is looked at
ITEMS = 64  # of a list
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))? ?(?:\\text\{ ?)?(?:([ap])\.? ?m\.?)?(?: ?\})?(?: o'clock)?", re.IGNORECASE)
HOUR = re.compile(r"(\d{1,2}) ?(?:\\text\{ ?)?([ap])\.? ?m\.?(?: ?\})?", re.IGNORECASE)
RATIO = re.compile(rf"({DECIMAL})(?: ?(?::| to ) ?({DECIMAL}))(?: ?(?::| to ) ?({DECIMAL}))?(?: ?(?::| to ) ?({DECIMAL}))?")
BASED = re.compile(
    r"\(?([0-9][0-9A-Za-z ]*|[0-9A-Fa-f ]*[0-9][0-9A-Fa-f ]*)\)?"
    r"(?: ?_ ?\{? ?(?:\\text\{ ?)?(\w+?)(?: ?\})?\}?|,? (?:in )?base[ -]?(\w+))"
)
BASES = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}
BASES |= {"sixteen": 16}
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
GLUE = re.compile(r",|;|\\text\{ ?,? ?(?:and|or) ?\}|\b(?:and|or)\b", re.IGNORECASE)
LEAD = re.compile(r"(?:\\text\{ ?)?(?:either|both)(?: ?\})? ", re.IGNORECASE)
EQUALS = re.compile(r"(?<![<>!:=\\])=(?!=)")
APPROXIMATE = re.compile(r"\\approx")
MEMBER = re.compile(r"[A-Za-z](?:_\{?\w+\}?)? ?\\in (?!\\mathbb)")
BUILDER = re.compile(r"\\\{ ?([A-Za-z])(?: ?\\in ?\\mathbb\{?R\}?)? ?(?:\\mid|\||:) ?(.*)\\\}")
NAME = re.compile(  # what an equation may call its answer: x, x_1, f(x), |AB|, \angle ABC, \text{area}, words
    r"\\?[A-Za-z]+'*(?: ?_ ?(?:\w|\{[^{}]*\}))?'*(?: ?\([A-Za-z0-9, ]*\))?|\|[A-Z]{2}\||[A-Za-z][A-Za-z' -]*"
    r"|\\(?:angle|triangle|overline|vec|hat) ?\{?[A-Za-z ]+\}?|\\text\{[^{}]*\}(?: ?[A-Za-z])?"
)
WORDY = re.compile(r"(?:[^\W\d_]|\\text\{[^{}\\]*\})(?:[\w\s'’.,:/&()-]|\\text\{[^{}\\]*\}|\\&)*")
LATEX_WORDS = re.compile(r"\\text\{([^{}\\]*)\}")
WHOLE_TEXT = re.compile(r"\\text\{([^{}\\]*)\}")
SHORT = frozenset("no yes up on in out all any odd one two six ten red min max".split())
WORDS = 6  # of an answer in words
EMPTY = frozenset(
    "see above below proof prove proved explanation answers vary various omitted figure graph diagram shown solution solutions "
    "none given unknown na tbd refer sample following depends".split()
)
WHOLE = frozenset(
    {"no solution", "no solutions", "none", "no real solution", "no real solutions", "undefined", "none of these"}
)


def read(text: str) -> Reading | None:
    """Read an answer; None where no form takes the whole of it."""
    if len(text) > LONGEST:
        return None
    return _read(plain(text))


@lru_cache(maxsize=4096)
def _read(text: str) -> Reading | None:
    if not text or depth(text) > DEPTH:
        return None
    if text == "...":
        return Text(text)
    if (inner := WHOLE_TEXT.fullmatch(text)) is not None:
        return _first((*FORMS, _several, _bracketed), inner[1].strip()) or _words(text)
    return _first((*FORMS, _several, _bracketed, _member, _equation, _words, _expression), text)


def _first(forms: Iterable[Callable[[str], Reading | None]], text: str) -> Reading | None:
    return next((found for form in forms if (found := form(text)) is not None), None)


def _clock(text: str) -> Time | None:
    if found := HOUR.fullmatch(text):
        hours, minutes, seconds, half = int(found[1]), 0, 0, found[2].lower()
    elif found := CLOCK.fullmatch(text):
        hours, minutes, seconds, half = int(found[1]), int(found[2]), int(found[3] or 0), (found[4] or "").lower()
    else:
        return None
    if hours > (12 if half else 24) or minutes > 59 or seconds > 59:
        return None
    if half:
        hours = hours % 12 + (12 if half == "p" else 0)
    return Time((hours * 60 + minutes) * 60 + seconds, half)


def _based(text: str) -> Based | Number | None:
    found = BASED.fullmatch(text)
    if found is None:
        return None
    named = (found[2] or found[3]).lower()
    base = BASES.get(named) or (int(named) if named.isdigit() and len(named) < 3 else 0)
    digits = found[1].replace(" ", "").lower()
    if not 2 <= base <= len(ALPHABET) or any(ALPHABET.index(digit) >= base for digit in digits):
        return None
    return Number(Fraction(int(digits))) if base == 10 else Based(int(digits, base), base)


def _ratio(text: str) -> Ratio | None:
    found = RATIO.fullmatch(text)
    if found is None:
        return None
    parts = [read_ for part in found.groups() if part and (read_ := number(part))]
    first = next((part.value for part in parts if part.value), None)
    return Ratio(tuple(part.value / first for part in parts)) if first else None


def _several(text: str) -> Several | Named | None:
    text = LEAD.sub("", text)
    parts = [part.strip() for part in split(text, GLUE)]
    parts = [part for part in parts if part]
    if len(parts) < 2:
        return _both_signs(text)
    if len(parts) > ITEMS:
        return None
    items: list[Reading] = []
    for part in parts:
        item = _read(part)
        if item is None:
            return None
        items += item.items if isinstance(item, Several) else [item]
    return Several(tuple(items))


def _both_signs(text: str) -> Several | None:
    if text.count("\\pm") != 1 or "\\mp" in text:
        return None
    items = [_read(" ".join(text.replace("\\pm", sign).split()).replace("= +", "=")) for sign in ("+", "-")]
    return Several(tuple(items)) if all(items) else None


def _bracketed(text: str) -> Reading | None:
    brackets = ((r"\{", r"\}", "{}"), ("{", "}", "{}"), (r"\langle", r"\rangle", "()"), ("(", ")", "()"), ("[", "]", "[]"))
    brackets += (("(", "]", "(]"), ("[", ")", "[)"))
    for opening, closing, name in brackets:
        if not (text.startswith(opening) and text.endswith(closing)) or len(text) <= len(opening) + len(closing):
            continue
        if opening != r"\langle" and closing_of(text, 0) != len(text) - 1:
            continue
        if builder := BUILDER.fullmatch(text):
            return _read(builder[2].strip())
        inner = text[len(opening) : -len(closing)].strip()
        parts = [part.strip() for part in split(inner, re.compile("[,;]"))]
        if len(parts) == 1 and name in ("()", "[]"):
            return _read(inner)
        items = [_read(part) if part else None for part in parts]
        if not all(items) or len(items) > ITEMS:
            return None
        if name == "{}":
            items = [item for one in items for item in (one.items if isinstance(one, Several) else (one,))]
        return Bracketed(name, tuple(items), text)
    return None


def _member(text: str) -> Reading | None:
    found = MEMBER.match(text)
    return _read(text[found.end() :].strip()) if found else None


def _equation(text: str) -> Reading | None:
    exact = [part.strip() for part in split(text, APPROXIMATE)]
    if len(exact) > 1:  # an approximation after the answer; one that is all there is, is the answer
        return _read(next(part for part in exact if part)) if any(exact) else None
    members = [part.strip() for part in split(text, EQUALS)]
    if len(members) < 2 or not members[-1]:
        return None
    values = [_read(member) if member else None for member in members]
    if _is_variable(members[-1]) and not _is_variable(members[0]) and len(members) == 2:  # 5 = x
        members, values = members[::-1], values[::-1]
    constants = [value for value in values if value is not None and is_constant(value)]
    if any(not same(one, constants[-1]) for one in constants[:-1]):
        return Contradiction(text)
    value = values[-1]
    if NAME.fullmatch(members[0]) and value is not None:
        sides = members if len(members) == 2 and all(expression(member) is not None for member in members) else ("", "")
        return Named(_name(members[0]), value.value if isinstance(value, Named) else value, *sides)
    if values[0] is not None and is_constant(values[0]):  # 2 + 3 = 5
        return value
    if len(members) == 2 and expression(members[0]) is not None and expression(members[1]) is not None:
        return Equation(members[0], members[1], value)
    return Named("", value) if value is not None else None


def _is_variable(text: str) -> bool:
    return re.fullmatch(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?", text) is not None and text not in ("e", "i", "\\pi", "\\infty")


def _name(text: str) -> str:
    text = re.sub(r"[\s{}]", "", LATEX_WORDS.sub(r"\1", text))
    return text if len(text) == 1 or text.startswith("\\") or "_" in text else text.lower()


def _words(text: str) -> Text | None:
    if WORDY.fullmatch(text) is None or "\\" in LATEX_WORDS.sub("", text):
        return None
    marked = "\\text" in text
    words = " ".join(LATEX_WORDS.sub(r"\1", text).split()).casefold().strip(" .,:")
    split_ = re.findall(r"[^\W_]+", words)
    letters = [word for word in split_ if word.isalpha()]
    if not letters or len(split_) > WORDS or (any(char in words for char in "()/") and not marked):
        return None
    # one or two letters are symbols, or a product of them, if nothing says that they are a word
    if not marked and words not in SHORT and max(map(len, letters)) < 3 and all(ord(char) < 0x2E80 for char in words):
        return None
    if not marked and words in ("sin", "cos", "tan", "log", "sinx", "cosx", "tanx", "lnx"):
        return None
    if words not in WHOLE and EMPTY.intersection(letters):
        return None
    return Text(words)


def _expression(text: str) -> Expression | None:
    bare, unit = trailing_unit(text)
    return Expression(bare, unit) if expression(bare) is not None else None


FORMS = (_clock, number, _based, _ratio)


def split(text: str, separator: re.Pattern) -> list[str]:
    """The parts of a text between the separators that stand outside of all brackets."""
    if separator.search(text) is None:
        return [text]
    inside = list(_bracketed_spans(text))
    parts, start = [], 0
    for found in separator.finditer(text):
        if any(begin < found.start() < end for begin, end in inside) or text[max(0, found.start() - 1)] == "\\":
            continue
        parts.append(text[start : found.start()])
        start = found.end()
    return [*parts, text[start:]]


def _bracketed_spans(text: str) -> Iterator[tuple[int, int]]:
    """The outermost brackets; ``\\text{}`` is none, so that words in it separate."""
    place = 0
    while place < len(text):
        mark = text[place]
        if mark in "([{" or text.startswith("\\langle", place):
            escaped = text[place - 1 : place] == "\\"
            end = text.find("\\rangle", place) if mark == "\\" else closing_of(text, place - escaped)
            wraps = text[:place].endswith("\\text")
            if end > place:
                if not wraps:
                    yield place, end
                place = end
        elif text.startswith("\\begin", place):
            end = text.rfind("\\end")
            if end > place:
                yield place, len(text)
                return
        place += 1
