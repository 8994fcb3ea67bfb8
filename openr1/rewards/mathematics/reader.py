"""Reads an answer to its end, as one of the forms of :mod:`openr1.rewards.mathematics.reading`.

:func:`read` tries the forms in this order and gives the first that takes the whole text. What no form takes is not read, and so
is neither right nor, as a gold answer, a measure of anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache

from openr1.rewards.mathematics.equality import is_constant, is_exact, is_relation, same
from openr1.rewards.mathematics.latex import DEPTH, TRIGONOMETRIC, depth, expression
from openr1.rewards.mathematics.markup import closing_of, plain
from openr1.rewards.mathematics.numbers import Number, number
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
from openr1.rewards.mathematics.units import trailing_unit

LONGEST = 5000  # characters of an answer that is looked at
ITEMS = 64  # of a list
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))? ?(?:\\text\{ ?)?(?:([ap])\.? ?m\.?)?(?: ?\})?(?: o'clock)?", re.IGNORECASE)
HOUR = re.compile(r"(\d{1,2}) ?(?:\\text\{ ?)?([ap])\.? ?m\.?(?: ?\})?", re.IGNORECASE)
COLON = re.compile(r":|\\text\{ ?to ?\}|\bto\b")
BASED = re.compile(
    r"\(?([0-9][0-9A-Za-z ]*|[0-9A-Fa-f ]*[0-9][0-9A-Fa-f ]*)\)?"
    r"(?: ?_ ?\{? ?(?:\\text\{ ?)?(\w+?)(?: ?\})?\}?|,? (?:in )?base[ -]?(\w+))"
)
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
BASES = {name: number_ for number_, name in enumerate(NUMBERS)}
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
# a comma between three digits and others is none: x = 1,234
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
QUANTITY = re.compile(  # what is no unknown to be solved for, but has a value
    r"\\(?:tan|sin|cos|cot|sec|csc|sum|int|lim|prod|det|max|min|bar|vec|hat|over\w+|Pr|mathbb|text)(?![a-z])|E ?\[|P ?\(|\|"
    r"|\\frac ?\{ ?[A-Za-z]{1,2} ?\} ?\{ ?[A-Za-z]{1,2} ?\}$|[a-z]{2,3}$"
)
LETTERS = re.compile(r"(?:\d*|10+)[A-Za-z](?:_\{?\w\}?)?(?: ?[+-] ?(?:10*)?[A-Za-z](?:_\{?\w\}?)?)+")  # m + n, 100a + b
BUILDER = re.compile(r"\\\{ ?([A-Za-z])(?: ?\\in ?\\mathbb\{?R\}?)? ?(?:\\mid|\||:) ?(.*)\\\}")
NAME = re.compile(  # what an equation may call its answer: x, x_1, f(x), |AB|, \angle ABC, \text{area}, words
    r"\\?[A-Za-z]+'*(?: ?_ ?(?:\w|\{[^{}]*\}))?'*(?: ?\([A-Za-z0-9, ]*\))?|\|[A-Z]{2}\||[A-Za-z][A-Za-z' -]*"
    r"|\\(?:angle|triangle|overline|vec|hat) ?\{?[A-Za-z ]+\}?|\\text\{[^{}]*\}(?: ?[A-Za-z])?|\\frac ?\{d[a-z]\} ?\{d[a-z]\}"
)
WORDY = re.compile(r"(?:[^\W\d_]|\\text\{[^{}\\]*\})(?:[\w\s'’.,:/&()-]|\\text\{[^{}\\]*\}|\\&)*")
LATEX_WORDS = re.compile(r"\\text\{([^{}\\]*)\}")
SHORT = frozenset("no yes up on in out all any odd one two six ten red min max".split())
WORDS = 6  # of an answer in words
EMPTY = frozenset(
    "see above below proof prove proved explanation answer answers vary various omitted figure graph diagram shown solution "
    "solutions none given unknown na tbd nan refer sample following depends".split()
)
SYNONYMS = {  # of words that say what a formula says
    **dict.fromkeys(("no solution", "no solutions", "no real solution", "no real solutions", "empty set"), "\\emptyset"),
    **dict.fromkeys(("infinity", "positive infinity"), "\\infty"),
    "negative infinity": "-\\infty",
    **dict.fromkeys(("all real numbers", "all reals"), "\\mathbb{R}"),
}
WHOLE = frozenset({"none", "none of these", "undefined"})
ARTICLE = re.compile(r"(?:an?|the) (?=\w{2})")


def read(text: str) -> Reading | None:
    """Read an answer; None where no form takes the whole of it."""
    if len(text) > LONGEST:
        return None
    return _read(plain(text))


@lru_cache(maxsize=4096)
def _read(text: str) -> Reading | None:
    if not text or depth(text) > DEPTH or text in ("N/A", "n/a"):
        return None
    if text == DOTS.words:
        return DOTS
    if (clause := WHOLE_NUMBERS.search(text)) and clause.start():
        return _read(text[: clause.start()].strip())
    if label := LABEL.match(text):
        return _read(text[label.end() :].strip())
    if (inner := LATEX_WORDS.fullmatch(text)) is not None:
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
    parts = tuple(part.strip() for part in split(text, COLON))
    if len(parts) < 2 or any(not part or expression(part) is None for part in parts):
        return None
    return Ratio(parts)


def _residue(text: str) -> Text | None:
    """A residue: ``3 \\pmod 7``."""
    found = MODULO.fullmatch(text)
    value = number(found[1].rpartition("\\equiv")[2].strip()) if found else None
    if value is None or value.value.denominator != 1 or not int(found[2]):
        return None
    return Text(f"{value.value.numerator % int(found[2])} mod {int(found[2])}")


def _range(text: str) -> Text | None:
    return Text(re.sub(r"\s", "", text)) if RANGE.fullmatch(text) else None


def _several(text: str) -> Several | Region | None:
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
    if all(isinstance(item, Expression) and is_relation(item) for item in items):
        region = Region(tuple(items), "or" if OR.search(text) else "and")
        return region if is_exact(region) else Several(tuple(items))
    return Several(tuple(items))


def _both_signs(text: str) -> Several | None:
    if len(PLUS_MINUS.findall(text)) != 1 or "\\mp" in text:
        return None
    items = [_read(" ".join(PLUS_MINUS.sub(sign, text).split()).replace("= +", "=")) for sign in ("+", "-")]
    return Several(tuple(items)) if all(items) else None


def _bracketed(text: str) -> Reading | None:
    brackets = ((r"\{", r"\}", "{}"), ("{", "}", "{}"), (r"\langle", r"\rangle", "()"), ("(", ")", "()"), ("[", "]", "[]"))
    brackets += (("(", "]", "(]"), ("[", ")", "[)"))
    if point := POINT.match(text):
        found = _bracketed(text[point.end() :])
        return Named(point[0], found) if isinstance(found, Bracketed) and found.brackets == "()" else None
    for opening, closing, name in brackets:
        if not (text.startswith(opening) and text.endswith(closing)) or len(text) <= len(opening) + len(closing):
            continue
        if opening != r"\langle" and closing_of(text, 0) != len(text) - 1:
            continue
        if builder := BUILDER.fullmatch(text):
            return _read(builder[2].strip())
        inner = text[len(opening) : -len(closing)].strip()
        parts = [part.strip() for part in split(inner, COMMA)]
        if len(parts) == 1 and name == "()":
            return _read(inner)
        items = [_read(part) if part and not re.fullmatch(r"0\d+|\d+ 0\d*", part) else None for part in parts]
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
    if len(exact) > 1:
        return _approximate(exact)
    members = [part.strip() for part in split(text, EQUALS)]
    if len(members) == 2 and not members[0]:
        return _read(members[1])
    if len(members) < 2 or not all(members):
        return None
    values = [_read(member) for member in members]
    if len(members) == 2 and _is_variable(members[1]) and values[0] is not None and is_constant(values[0]):  # 5 = x
        members, values = members[::-1], values[::-1]
    if any(
        value is None or _is_relation(value) or SEPARATE.search(part)
        for part, value in zip(members[1:], values[1:], strict=True)
    ):
        return None  # a member that is not read may begin another equation
    constants = [value for value in values if value is not None and is_constant(value)]
    if any(not same(one, constants[-1]) for one in constants[:-1]):
        return Contradiction(text)
    return _named(members, values)


def _approximate(parts: list[str]) -> Reading | None:
    """Take what is exact before an approximation; one that is all there is, or that has a name, is the answer."""
    first, *rest = parts
    if not first or (NAME.fullmatch(first) and first not in ("e", "\\pi")):
        value = _read(rest[0]) if rest and rest[0] else None
        return Named(_name(first), value) if value is not None and first else value
    exact = _read(first)
    if exact is None and rest and rest[0] and re.search("[A-Za-z]", first) and "=" not in first:  # P(X > 2)
        value = _read(rest[0])
        return Named("", value) if value is not None else None
    return exact


def _named(members: list[str], values: list[Reading | None]) -> Reading | None:
    """The value of a chain of equations that agree."""
    first, value = values[0], values[-1]
    assert value is not None
    if (names := _names(members[0])) and isinstance(value, Bracketed) and len(names) == len(value.items):
        return Several(tuple(Named(name, item) for name, item in zip(names, value.items, strict=True)))
    sides = members if len(members) == 2 and all(expression(member) is not None for member in members) else ["", ""]
    symbol = _is_variable(members[0]) and (len(members[0].strip("\\")) == 1 or "_" in members[0] or members[0].startswith("\\"))
    if UNNAMED.search(members[0]):
        return None
    if NAME.fullmatch(members[0]) and (symbol or "(" in members[0] or is_constant(value) or not all(sides)):
        return Named(_name(members[0]), value.value if isinstance(value, Named) else value, *sides)
    if first is not None and is_constant(first):  # 2 + 3 = 5
        return value
    if all(sides):
        return Equation(*sides, value if LETTERS.fullmatch(members[0]) or QUANTITY.match(members[0]) else None)
    return Named("", value) if re.search("[A-Za-z]", members[0]) and first is None else None


def _names(text: str) -> list[str]:
    """The names of a point: x and y of ``(x, y)``."""
    names = [name.strip() for name in text[1:-1].split(",")] if text.startswith("(") and text.endswith(")") else []
    return names if len(names) > 1 and all(re.fullmatch(r"[A-Za-z](?:_\{?\w+\}?)?", name) for name in names) else []


def _is_relation(reading: Reading) -> bool:
    return isinstance(reading, Expression) and is_relation(reading)


def _is_variable(text: str) -> bool:
    return re.fullmatch(r"\\?[A-Za-z]+(?:_\{?\w+\}?)?", text) is not None and text not in ("e", "i", "\\pi", "\\infty")


def _name(text: str) -> str:
    text = re.sub(r"[\s{}]", "", LATEX_WORDS.sub(r"\1", text))
    return text.lower() if re.fullmatch("[A-Za-z]?[a-z]{3,}", text) else text


def _words(text: str) -> Text | None:
    if WORDY.fullmatch(text) is None or "\\" in LATEX_WORDS.sub("", text):
        return None
    marked = "\\text" in text
    words = " ".join(LATEX_WORDS.sub(r"\1", text).split()).casefold().strip(" .,:")
    split_ = re.findall(r"[^\W_]+", words)
    letters = [word for word in split_ if word.isalpha()]
    if not letters or len(split_) > WORDS or (any(char in words for char in "()/") and not marked):
        return None
    words = ARTICLE.sub("", words)
    if words in SYNONYMS:
        return Expression(SYNONYMS[words])
    if words in NUMBERS and (marked or len(text) > 2):
        return Number(Fraction(NUMBERS.index(words)))
    # one or two letters are symbols, or a product of them, if nothing says that they are a word
    capitals = len(text) > 1 and text.isupper() and text.isascii()
    short = max(map(len, letters)) < 3 and all(ord(char) < 0x2E80 for char in words)
    if not marked and not capitals and words not in SHORT and short:
        return None
    if not marked and words in ("sin", "cos", "tan", "log", "sinx", "cosx", "tanx", "lnx"):
        return None
    if words not in WHOLE and EMPTY.intersection(letters):
        return None
    return Text(words)


def _expression(text: str) -> Expression | None:
    bare, unit, marked = (text, "", False) if TRIGONOMETRIC.search(text) else trailing_unit(text)
    if unit and expression(bare) is not None and (marked or is_constant(Expression(bare))):
        return Expression(bare, unit)
    return Expression(text) if expression(text) is not None else None


FORMS = (_clock, _range, number, _based, _residue, _ratio)


def split(text: str, separator: re.Pattern) -> list[str]:
    """The parts of a text between the separators that stand outside of all brackets."""
    if separator.search(text) is None:
        return [text]
    inside = list(_bracketed_spans(text))
    parts, start = [], 0
    for found in separator.finditer(text):
        if any(begin < found.start() < end for begin, end in inside) or text[: found.start()].endswith("\\"):
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
