"""A reader of answers to their end, as one of the forms of :mod:`openr1.rewards.mathematics.reading`.

:func:`read_answer` tries the forms in a fixed order and returns the first that covers the whole text. An answer that no form
covers is not read: it is wrong, and as a gold answer it gives no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache

from openr1.rewards.mathematics.equality import are_equal, is_constant, is_exact, is_relation
from openr1.rewards.mathematics.latex import DEPTH, TRIGONOMETRIC, nesting_depth, parse_expression
from openr1.rewards.mathematics.markup import find_closing, normalise
from openr1.rewards.mathematics.numbers import Number, read_number
from openr1.rewards.mathematics.reading import (
    DOTS,
    Based,
    Bracketed,
    Contradiction,
    Equation,
    Expression,
    Named,
    Ratio,
    Reading,
    Region,
    Several,
    Text,
    Time,
)
from openr1.rewards.mathematics.units import split_trailing_unit

LONGEST = 5000  # characters of an answer, at most
ITEMS = 64  # of a list, at most
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))? ?(?:\\text\{ ?)?(?:([ap])\.? ?m\.?)?(?: ?\})?(?: o'clock)?", re.IGNORECASE)
HOUR = re.compile(r"(\d{1,2}) ?(?:\\text\{ ?)?([ap])\.? ?m\.?(?: ?\})?", re.IGNORECASE)
COLON = re.compile(r":|\\text\{ ?to ?\}|\bto\b")
BASED = re.compile(
    r"\(?([0-9][0-9A-Za-z ]*|[0-9A-Fa-f ]*[0-9][0-9A-Fa-f ]*)\)?"
    r"(?: ?_ ?\{? ?(?:\\text\{ ?)?(\w+?)(?: ?\})?\}?|,? (?:in )?base[ -]?(\w+))"
)
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
BASES = {name: number for number, name in enumerate(NUMBERS)}
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
# a comma that groups digits does not separate: x = 1,234
GLUE = re.compile(
    r"(?<!\d),|,(?!\d{3}(?!\d))|;|\\text\{ ?,? ?(?:and|or) ?\}|\b(?:and|or)\b|\\(?:lor|vee|land|wedge)(?![A-Za-z])",
    re.IGNORECASE,
)
OR = re.compile(r"\bor\b|\\(?:lor|vee)", re.IGNORECASE)
COMMA = re.compile("[,;]")
LEAD = re.compile(r"(?:\\text\{ ?)?(?:either|both)(?: ?\})? ", re.IGNORECASE)
EQUALS = re.compile(r"(?<![<>!:=\\])=(?!=)")
PLUS_MINUS = re.compile(r"\\pm(?![A-Za-z])")
UNNAMED = re.compile(r"\b(?:assume|suppose|let|check|consider|if|when|for|because|since|not|unless|try)\b", re.IGNORECASE)
APPROXIMATE = re.compile(r"\\approx")
MEMBER = re.compile(r"[A-Za-z](?:_\{?\w+\}?)? ?\\in(?![A-Za-z]) ?")
WHOLE_NUMBERS = re.compile(r",? ?\(?(?:\\text\{ ?(?:where|for) ?\} ?)?[a-z] ?\\in ?\\mathbb ?\{?Z\}?\)?$")  # k \in \mathbb{Z}
LABEL = re.compile(r"\\text\{ ?\(?[A-J]\)\.? ?\} ?(?=.)|\([A-J]\) (?=.)")  # of an option, before its text
POINT = re.compile(r"[ABD-Z](?=\()")
SEPARATE = re.compile(
    r"(?:[\d)}]|\\pi) (?:[/|&] |\\to )?\\?[A-Za-z]\w*(?:_\{?\w+\}?)?$"
)  # a value, and the name of the next: 5 y
MODULO = re.compile(r"(.*?) ?\(? ?(?:\\pmod|\\bmod|\\mod|\\text\{ ?mod ?\}|mod) ?\{? ?(\d+) ?\}? ?\)?")
RANGE = re.compile(r"\d+(?: ?- ?\d+)+|\d+(?:/\d+){2,}")  # a range, a score, a date
QUANTITY = re.compile(  # has a value, unlike an unknown to be solved for
    r"\\(?:tan|sin|cos|cot|sec|csc|sum|int|lim|prod|det|max|min|bar|vec|hat|over\w+|Pr|mathbb|text)(?![a-z])|E ?\[|P ?\(|\|"
    r"|\\frac ?\{ ?[A-Za-z]{1,2} ?\} ?\{ ?[A-Za-z]{1,2} ?\}$|[a-z]{2,3}$"
)
LETTERS = re.compile(r"(?:\d*|10+)[A-Za-z](?:_\{?\w\}?)?(?: ?[+-] ?(?:10*)?[A-Za-z](?:_\{?\w\}?)?)+")  # m + n, 100a + b
BUILDER = re.compile(r"\\\{ ?([A-Za-z])(?: ?\\in ?\\mathbb\{?R\}?)? ?(?:\\mid|\||:) ?(.*)\\\}")
NAME = re.compile(  # of an answer in an equation: x, x_1, f(x), |AB|, \angle ABC, \text{area}, words
    r"\\?[A-Za-z]+'*(?: ?_ ?(?:\w|\{[^{}]*\}))?'*(?: ?\([A-Za-z0-9, ]*\))?|\|[A-Z]{2}\||[A-Za-z][A-Za-z' -]*"
    r"|\\(?:angle|triangle|overline|vec|hat) ?\{?[A-Za-z ]+\}?|\\text\{[^{}]*\}(?: ?[A-Za-z])?|\\frac ?\{d[a-z]\} ?\{d[a-z]\}"
)
WORDY = re.compile(r"(?:[^\W\d_]|\\text\{[^{}\\]*\})(?:[\w\s'’.,:/&()-]|\\text\{[^{}\\]*\}|\\&)*")
LATEX_WORDS = re.compile(r"\\text\{([^{}\\]*)\}")
SHORT = frozenset("no yes up on in out all any odd one two six ten red min max".split())
WORDS = 6  # of an answer in words, at most
EMPTY = frozenset(
    "see above below proof prove proved explanation answer answers vary various omitted figure graph diagram shown solution "
    "solutions none given unknown na tbd nan refer sample following depends".split()
)
SYNONYMS = {  # words -> formula
    **dict.fromkeys(("no solution", "no solutions", "no real solution", "no real solutions", "empty set"), "\\emptyset"),
    **dict.fromkeys(("infinity", "positive infinity"), "\\infty"),
    "negative infinity": "-\\infty",
    **dict.fromkeys(("all real numbers", "all reals"), "\\mathbb{R}"),
}
BRACKETS = (  # opening, closing, and both in the normal form
    (r"\{", r"\}", "{}"),
    ("{", "}", "{}"),
    (r"\langle", r"\rangle", "()"),
    ("(", ")", "()"),
    ("[", "]", "[]"),
    ("(", "]", "(]"),
    ("[", ")", "[)"),
)
WHOLE = frozenset({"none", "none of these", "undefined"})
ARTICLE = re.compile(r"(?:an?|the) (?=\w{2})")


def read_answer(text: str) -> Reading | None:
    """Read an answer; None if no form covers the whole of it."""
    if len(text) > LONGEST:
        return None
    return _read_normalised(normalise(text))


@lru_cache(maxsize=4096)
def _read_normalised(text: str) -> Reading | None:
    if not text or nesting_depth(text) > DEPTH or text in ("N/A", "n/a"):
        return None
    if text == DOTS.words:
        return DOTS
    if (clause := WHOLE_NUMBERS.search(text)) and clause.start():
        return _read_normalised(text[: clause.start()].strip())
    if label := LABEL.match(text):
        return _read_normalised(text[label.end() :].strip())
    if (inner := LATEX_WORDS.fullmatch(text)) is not None:
        return _read_first((*FORMS, _read_several, _read_bracketed), inner[1].strip()) or _read_words(text)
    return _read_first(
        (*FORMS, _read_several, _read_bracketed, _read_member, _read_equation, _read_words, _read_expression), text
    )


def _read_first(forms: Iterable[Callable[[str], Reading | None]], text: str) -> Reading | None:
    return next((reading for form in forms if (reading := form(text)) is not None), None)


def _read_time(text: str) -> Time | None:
    if match := HOUR.fullmatch(text):
        hours, minutes, seconds, half = int(match[1]), 0, 0, match[2].lower()
    elif match := CLOCK.fullmatch(text):
        hours, minutes, seconds, half = int(match[1]), int(match[2]), int(match[3] or 0), (match[4] or "").lower()
    else:
        return None
    if hours > (12 if half else 24) or minutes > 59 or seconds > 59:
        return None
    if half:
        hours = hours % 12 + (12 if half == "p" else 0)
    return Time((hours * 60 + minutes) * 60 + seconds, half)


def _read_based(text: str) -> Based | Number | None:
    match = BASED.fullmatch(text)
    if match is None:
        return None
    name = (match[2] or match[3]).lower()
    base = BASES.get(name) or (int(name) if name.isdigit() and len(name) < 3 else 0)
    digits = match[1].replace(" ", "").lower()
    if not 2 <= base <= len(ALPHABET) or any(ALPHABET.index(digit) >= base for digit in digits):
        return None
    return Number(Fraction(int(digits))) if base == 10 else Based(int(digits, base), base)


def _read_ratio(text: str) -> Ratio | None:
    parts = tuple(part.strip() for part in split_outside_brackets(text, COLON))
    if len(parts) < 2 or any(not part or parse_expression(part) is None for part in parts):
        return None
    return Ratio(parts)


def _read_residue(text: str) -> Text | None:
    """Read a residue: ``3 \\pmod 7``."""
    match = MODULO.fullmatch(text)
    if match is None:
        return None
    number, modulus = read_number(match[1].rpartition("\\equiv")[2].strip()), int(match[2])
    if number is None or number.value.denominator != 1 or not modulus:
        return None
    return Text(f"{number.value.numerator % modulus} mod {modulus}")


def _read_range(text: str) -> Text | None:
    return Text(re.sub(r"\s", "", text)) if RANGE.fullmatch(text) else None


def _read_several(text: str) -> Several | Region | None:
    text = LEAD.sub("", text)
    parts = [part.strip() for part in split_outside_brackets(text, GLUE)]
    parts = [part for part in parts if part]
    if len(parts) < 2:
        return _read_both_signs(text)
    if len(parts) > ITEMS:
        return None
    items: list[Reading] = []
    for part in parts:
        item = _read_normalised(part)
        if item is None:
            return None
        items += item.items if isinstance(item, Several) else [item]
    relations = [item for item in items if isinstance(item, Expression) and is_relation(item)]
    if len(relations) == len(items):
        region = Region(tuple(relations), "or" if OR.search(text) else "and")
        return region if is_exact(region) else Several(tuple(items))
    return Several(tuple(items))


def _read_both_signs(text: str) -> Several | None:
    if len(PLUS_MINUS.findall(text)) != 1 or "\\mp" in text:
        return None
    texts = (" ".join(PLUS_MINUS.sub(sign, text).split()).replace("= +", "=") for sign in ("+", "-"))
    items = _read_all(texts)
    return Several(items) if items else None


def _read_all(texts: Iterable[str]) -> tuple[Reading, ...] | None:
    """Read several texts; None if one of them is not read."""
    readings = [_read_normalised(text) for text in texts]
    known = tuple(reading for reading in readings if reading is not None)
    return known if len(known) == len(readings) else None


def _read_bracketed(text: str) -> Reading | None:
    if point := POINT.match(text):
        coordinates = _read_bracketed(text[point.end() :])
        return Named(point[0], coordinates) if isinstance(coordinates, Bracketed) and coordinates.brackets == "()" else None
    for opening, closing, name in BRACKETS:
        if not (text.startswith(opening) and text.endswith(closing)) or len(text) <= len(opening) + len(closing):
            continue
        if opening != r"\langle" and find_closing(text, 0) != len(text) - 1:
            continue
        if builder := BUILDER.fullmatch(text):
            return _read_normalised(builder[2].strip())
        inner = text[len(opening) : -len(closing)].strip()
        parts = [part.strip() for part in split_outside_brackets(inner, COMMA)]
        if len(parts) == 1 and name == "()":
            return _read_normalised(inner)
        if any(not part or re.fullmatch(r"0\d+|\d+ 0\d*", part) for part in parts):
            return None
        items = _read_all(parts)
        if items is None or len(items) > ITEMS:
            return None
        return Bracketed(name, flatten(items) if name == "{}" else items, text)
    return None


def flatten(items: Iterable[Reading]) -> tuple[Reading, ...]:
    """Replace lists without brackets by their items."""
    return tuple(part for item in items for part in (item.items if isinstance(item, Several) else (item,)))


def _read_member(text: str) -> Reading | None:
    match = MEMBER.match(text)
    return _read_normalised(text[match.end() :].strip()) if match else None


def _read_equation(text: str) -> Reading | None:
    exact = [part.strip() for part in split_outside_brackets(text, APPROXIMATE)]
    if len(exact) > 1:
        return _read_approximation(exact)
    members = [part.strip() for part in split_outside_brackets(text, EQUALS)]
    if len(members) == 2 and not members[0]:
        return _read_normalised(members[1])
    if len(members) < 2 or not all(members):
        return None
    values = [_read_normalised(member) for member in members]
    if len(members) == 2 and _is_variable(members[1]) and values[0] is not None and is_constant(values[0]):  # 5 = x
        members, values = members[::-1], values[::-1]
    if any(
        value is None or _is_relation(value) or SEPARATE.search(part)
        for part, value in zip(members[1:], values[1:], strict=True)
    ):
        return None  # a member that is not read may be part of another equation
    constants = [value for value in values if value is not None and is_constant(value)]
    if any(not are_equal(constant, constants[-1]) for constant in constants[:-1]):
        return Contradiction(text)
    return _read_named(members, values)


def _read_approximation(parts: list[str]) -> Reading | None:
    """Read the exact value before an approximation; if there is none, or only a name, read the approximation."""
    first, second = parts[0], parts[1]
    if not first or (NAME.fullmatch(first) and first not in ("e", "\\pi")):
        value = _read_normalised(second) if second else None
        return Named(_normalise_name(first), value) if value is not None and first else value
    exact = _read_normalised(first)
    if exact is None and second and re.search("[A-Za-z]", first) and "=" not in first:  # P(X > 2)
        value = _read_normalised(second)
        return Named("", value) if value is not None else None
    return exact


def _read_named(members: list[str], values: list[Reading | None]) -> Reading | None:
    """Read a chain of equations that agree: the value of its last member, with the name of its first."""
    first, value = values[0], values[-1]
    assert value is not None
    if (names := _split_names(members[0])) and isinstance(value, Bracketed) and len(names) == len(value.items):
        return Several(tuple(Named(name, item) for name, item in zip(names, value.items, strict=True)))
    two_sides = len(members) == 2 and all(parse_expression(member) is not None for member in members)
    left, right = members if two_sides else ("", "")
    symbol = _is_variable(members[0]) and (len(members[0].strip("\\")) == 1 or "_" in members[0] or members[0].startswith("\\"))
    if UNNAMED.search(members[0]):
        return None
    if NAME.fullmatch(members[0]) and (symbol or "(" in members[0] or is_constant(value) or not (left and right)):
        return Named(_normalise_name(members[0]), value.value if isinstance(value, Named) else value, left, right)
    if first is not None and is_constant(first):  # 2 + 3 = 5
        return value
    if left and right:
        return Equation(left, right, value if LETTERS.fullmatch(members[0]) or QUANTITY.match(members[0]) else None)
    return Named("", value) if re.search("[A-Za-z]", members[0]) and first is None else None


def _split_names(text: str) -> list[str]:
    """Return the names of the coordinates of a point: x and y of ``(x, y)``."""
    names = [name.strip() for name in text[1:-1].split(",")] if text.startswith("(") and text.endswith(")") else []
    return names if len(names) > 1 and all(re.fullmatch(r"[A-Za-z](?:_\{?\w+\}?)?", name) for name in names) else []


def _is_relation(reading: Reading) -> bool:
    return isinstance(reading, Expression) and is_relation(reading)


def _is_variable(text: str) -> bool:
    return re.fullmatch(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?", text) is not None and text not in ("e", "i", "\\pi", "\\infty")


def _normalise_name(text: str) -> str:
    text = re.sub(r"[\s{}]", "", LATEX_WORDS.sub(r"\1", text))
    return text.lower() if re.fullmatch("[A-Za-z]?[a-z]{3,}", text) else text


def _read_words(text: str) -> Reading | None:
    if WORDY.fullmatch(text) is None or "\\" in LATEX_WORDS.sub("", text):
        return None
    marked = "\\text" in text
    words = " ".join(LATEX_WORDS.sub(r"\1", text).split()).casefold().strip(" .,:")
    parts = re.findall(r"[^\W_]+", words)
    letters = [word for word in parts if word.isalpha()]
    if not letters or len(parts) > WORDS or (any(char in words for char in "()/") and not marked):
        return None
    words = ARTICLE.sub("", words)
    if words in SYNONYMS:
        return Expression(SYNONYMS[words])
    if words in NUMBERS and (marked or len(text) > 2):
        return Number(Fraction(NUMBERS.index(words)))
    # one or two letters are symbols, or a product of them, unless something shows that they are a word
    capitals = len(text) > 1 and text.isupper() and text.isascii()
    short = max(map(len, letters)) < 3 and all(ord(char) < 0x2E80 for char in words)
    if not marked and not capitals and words not in SHORT and short:
        return None
    if not marked and words in ("sin", "cos", "tan", "log", "sinx", "cosx", "tanx", "lnx"):
        return None
    if words not in WHOLE and EMPTY.intersection(letters):
        return None
    return Text(words)


def _read_expression(text: str) -> Expression | None:
    bare, unit, marked = (text, "", False) if TRIGONOMETRIC.search(text) else split_trailing_unit(text)
    if unit and parse_expression(bare) is not None and (marked or is_constant(Expression(bare))):
        return Expression(bare, unit)
    return Expression(text) if parse_expression(text) is not None else None


FORMS = (_read_time, _read_range, read_number, _read_based, _read_residue, _read_ratio)


def split_outside_brackets(text: str, separator: re.Pattern) -> list[str]:
    """Split a text at the separators that stand outside of all brackets."""
    if separator.search(text) is None:
        return [text]
    inside = list(_find_brackets(text))
    parts, start = [], 0
    for match in separator.finditer(text):
        if any(begin < match.start() < end for begin, end in inside) or text[: match.start()].endswith("\\"):
            continue
        parts.append(text[start : match.start()])
        start = match.end()
    return [*parts, text[start:]]


def _find_brackets(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of the outermost brackets, without those of ``\\text{}``, in which words may separate."""
    place = 0
    while place < len(text):
        mark = text[place]
        if mark in "([{" or text.startswith("\\langle", place):
            escaped = text[place - 1 : place] == "\\"
            end = text.find("\\rangle", place) if mark == "\\" else find_closing(text, place - escaped)
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
