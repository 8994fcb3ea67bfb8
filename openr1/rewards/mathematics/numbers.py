"""Reads numbers as answers write them, exactly: decimals, fractions, mixed numbers, percentages, with a unit or without.

``12,345``, ``3.2e5``, ``2 1/2``, ``0.1\\overline{6}``, ``35\\%``, ``\\$18.00``, ``5\\text{ cm}^2``. What is only nearly a
number, such as ``5√3`` or ``18 or 19``, is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

DIGITS = 4300  # of a number; more are compared as text alone
EXPONENT = 4000  # of ten

GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?: \d{3})+(?!\d)|\d{1,3}(?:'\d{3})+(?!\d)|\d+"
INTEGER = rf"(?:{GROUPED})"
DECIMAL = rf"(?:(?:{GROUPED})(?:\.\d*)?|\.\d+)"
SIGN = r"(?:[+-] ?)?"
POWER = r"10 ?(?:\^|\*\*) ?(?:\{ ?(?P<braced>[+-]?\d+) ?\}|\(? ?(?P<bare>[+-]?\d+) ?\)?)"
NUMBER = re.compile(
    rf"(?P<sign>{SIGN})(?:"
    # mixed: 2\frac{1}{2}, 2 1/2
    rf"(?P<whole>{INTEGER}) ?(?:\\frac ?\{{ ?(?P<above>\d+) ?\}} ?\{{ ?(?P<below>\d+) ?\}}"
    rf"|(?<= )(?P<above2>\d+) ?/ ?(?P<below2>\d+)(?![\d.]))"
    # fractions
    rf"|\\frac ?\{{ ?(?P<top>{SIGN}{DECIMAL}) ?\}} ?\{{ ?(?P<bottom>{SIGN}{DECIMAL}) ?\}}"
    rf"|\(? ?(?P<top2>(?:{SIGN})?{DECIMAL}) ?\)? ?/ ?\(? ?(?P<bottom2>{SIGN}{DECIMAL}) ?\)?"
    # decimals that repeat: 0.\overline{{3}}, 0.(3), 0.\dot{{3}}, 0.333...
    rf"|(?P<before>\d*)\.(?P<fixed>\d*?)(?:\\overline ?\{{ ?(?P<over>\d+) ?\}}|\((?P<round>\d+)\)"
    rf"|\\dot ?\{{?(?P<dot>\d)\}}?(?:(?P<between>\d*)\\dot ?\{{?(?P<dot2>\d)\}}?)?)"
    rf"|(?P<dotted>\d*\.\d+) ?\.\.\."
    rf"|(?P<mantissa>{DECIMAL})[eE](?P<e>[+-]?\d+)(?![\d.])"
    rf"|(?:(?P<factor>{DECIMAL}) ?(?:\\times|\\cdot|\*|x) ?)?{POWER}"
    rf"|(?P<plain>{DECIMAL})"
    rf")"
)
REPEATED = re.compile(r"(\d*)\.(\d*?)(\d{1,6}?)\3{2,}(\d*)")
CURRENCY = {"$": "dollar", "\\$": "dollar", "US$": "dollar", "USD": "dollar", "€": "euro", "EUR": "euro", "£": "pound sterling"}
CURRENCY |= {"¥": "yen", "₹": "rupee", "Rs.": "rupee", "Rs": "rupee"}
PREFIX = re.compile(r"(?P<sign>[+-] ?)?(?P<mark>US\$|USD|EUR|Rs\.?|\\?\$|[€£¥₹]) ?(?=[\d.(\\])")
NEGATED = re.compile(r"- ?\( ?(- ?)?([^()+-]+)\)")
SPOKEN = re.compile(r"(?:minus|negative) (?=[\d.])", re.IGNORECASE)

PERCENT = re.compile(r"%|\\text\{ ?(?:%|percent|per cent|pct) ?\}|percent(?:age)?|per cent|pct\.?", re.IGNORECASE)
DEGREES = re.compile(
    r"\^\\circ ?(?P<scale>[CFK])?|(?:\\text\{ ?)?degrees?(?: (?P<name>celsius|fahrenheit|C|F))?(?: ?\})?", re.IGNORECASE
)
# what is counted or measured: words, alone or as \text{}, with powers and quotients
WORD = r"(?:\\text ?\{[^{}\d\\]*\}|[^\W\d_][^\W\d_'’.-]*(?:[’'.-][^\W\d_]+)*\.?)(?: ?\^ ?(?:\{ ?-?\d ?\}|-?\d))?"
UNIT = re.compile(rf"{WORD}(?:(?: ?/ ?| ?\\cdot ?| ?\*? ?| per ){WORD}){{0,4}}")
NO_UNITS = frozenset(
    "or and but not than because since which so is are was if then to plus minus times mod modulo more less at most least "
    "either neither nor divided by over of the where for with hence thus therefore note that it i we x y z n k e pi sqrt "
    "log ln sin cos tan exp when only unless except also maybe perhaps about approximately between choose from until "
    "equals equal no wrong incorrect".split()
)
NAMES = {  # how else a unit is spelled
    "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm", "meter": "m", "metre": "m",
    "kilometer": "km", "kilometre": "km", "inch": "in", "inche": "in", "foot": "ft", "feet": "ft", "yard": "yd", "mile": "mi",
    "gram": "g", "kilogram": "kg", "milligram": "mg", "pound": "lb", "ounce": "oz", "second": "s", "sec": "s", "minute": "min",
    "hour": "h", "hr": "h", "liter": "l", "litre": "l", "milliliter": "ml", "millilitre": "ml", "joule": "j", "newton": "n",
    "watt": "w", "volt": "v", "ampere": "a", "buck": "dollar", "usd": "dollar", "$": "dollar", "euro": "euro", "eur": "euro",
    "squared": "^2", "cubed": "^3", "square": "^2", "sq": "^2", "cubic": "^3", "cu": "^3", "people": "person", "men": "man",
    "women": "woman", "children": "child", "gallon": "gal", "cent": "cent", "day": "day", "week": "week", "month": "month",
    "year": "year", "yr": "year", "degree": "degree", "radian": "rad",
}  # fmt: skip
MEASURES = frozenset(NAMES.values()) - {"person", "man", "woman", "child", "^2", "^3"} | {
    "kmh",
    "mph",
    "kph",
    "hz",
    "pa",
    "kw",
    "mol",
}
TRAILING = re.compile(  # a unit after an expression: \\text{ cm}^2, or words
    r"(?: ?\\text ?\{[^{}\d\\]*\}| (?:[A-Za-z]{2,}\.?(?: |(?= ?\^)|$|/)){1,3})(?: ?\^ ?\{? ?\d ?\}?)?"
    r"(?: ?/ ?(?:\\text ?\{[^{}\d\\]*\}|[A-Za-z]+)(?: ?\^ ?\{? ?\d ?\}?)?)?$"
)
BARE = frozenset("mghls")  # units of one letter that stand after a number and a space
SPLIT = {"mph": ("mi", "/", "h"), "kmh": ("km", "/", "h"), "kph": ("km", "/", "h"), "kmph": ("km", "/", "h")}
PIECE = re.compile(r"\^ ?\{? ?-?\d|[^\W\d_]+|/")
EMPTY = frozenset(
    {"unit", "digit", "integer", "number", "value", "answer", "total", "altogether", "left", "remaining", "in all"}
)


@dataclass(frozen=True)
class Number:
    """An exact number.

    :ivar unit: its unit in one spelling, such as ``cm^2`` or ``egg``; empty where there is none.
    :ivar percent: it was written as a percentage; ``value`` is the number before the sign.
    """

    value: Fraction
    unit: str = ""
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.value}{'%' if self.percent else ''}{' ' if self.unit else ''}{self.unit}"


def number(text: str) -> Number | None:
    """Read a text, as :func:`openr1.rewards.mathematics.markup.plain` gives it, that is one number to its end."""
    text = SPOKEN.sub("-", text.strip())
    while signs := NEGATED.fullmatch(text):  # -(-5)
        text = signs[2] if signs[1] else f"-{signs[2]}"
    text, currency = _currency(text)
    while text.startswith("(") and text.endswith(")") and "(" not in text[1:]:
        text = text[1:-1].strip()
    found = NUMBER.match(text)
    if found is None or len(found[0]) > DIGITS:
        return None
    value = _value(found)
    rest = text[found.end() :]
    if value is None:
        return None
    if rest[:1].isdigit() or rest[:1] in (".", ",", "'"):
        return None
    if (percent := PERCENT.match(rest.strip())) and not currency:
        unit = _unit(" " + rest.strip()[percent.end() :].strip())
        return Number(value, "", True) if unit is not None else None
    unit = _unit(rest)
    if unit is None or (currency and unit and unit != currency and unit not in EMPTY):
        return None
    return Number(value, currency or unit)


def integer_power(text: str) -> bool:
    """Tell whether a text is a plain power of numbers, such as ``2^{10}``, ``2**10`` or ``7 \\cdot 10^3``."""
    base = rf"(?:{DECIMAL}|\( ?-? ?{DECIMAL} ?\)|\( ?\\frac\{{\d+\}}\{{\d+\}} ?\)|\( ?\d+ ?/ ?\d+ ?\))"
    power = rf"{base} ?(?:\^|\*\*) ?(?:\{{ ?-?\d+ ?\}}|\( ?-?\d+ ?\)|-?\d+)"
    return re.fullmatch(rf"-? ?(?:\\frac ?\{{ ?(?:1|{power}) ?\}} ?\{{ ?{power} ?\}}|1 ?/ ?{power}|{power})", text) is not None


def same_unit(one: str, other: str) -> bool:
    """Tell whether two units may be of one quantity; a unit that is left out may be any."""
    if not one or not other or one == other or one in EMPTY or other in EMPTY:
        return True
    mine, theirs = set(one.split()), set(other.split())
    if mine & MEASURES or theirs & MEASURES or "^" in one + other:
        return mine == theirs
    return bool(mine & theirs)


def _currency(text: str) -> tuple[str, str]:
    found = PREFIX.match(text)
    if found is None:
        return text, ""
    return (found["sign"] or "") + text[found.end() :], CURRENCY[found["mark"].strip()]


def _value(found: re.Match) -> Fraction | None:
    sign = -1 if found["sign"].startswith("-") else 1
    try:
        value = _unsigned(found)
    except ZeroDivisionError:
        return None
    return None if value is None else sign * value


def _unsigned(found: re.Match) -> Fraction | None:
    if found["whole"]:
        return _decimal(found["whole"]) + Fraction(
            int(found["above"] or found["above2"]), int(found["below"] or found["below2"])
        )
    for above, below in (("top", "bottom"), ("top2", "bottom2")):
        if found[above]:
            return _signed(found[above]) / _signed(found[below])
    if found["over"] or found["round"] or found["dot"]:
        repeated = found["over"] or found["round"] or found["dot"] + (found["between"] or "") + (found["dot2"] or "")
        return _repeating(found["before"], found["fixed"], repeated)
    if found["dotted"]:
        repeated = REPEATED.fullmatch(found["dotted"])
        cut = repeated and repeated[3].startswith(repeated[4])
        return _repeating(repeated[1], repeated[2], repeated[3]) if cut else None
    if exponent := found["e"] or found["braced"] or found["bare"]:
        factor = _decimal(found["mantissa"] or found["factor"] or "1")
        return factor * Fraction(10) ** int(exponent) if abs(int(exponent[:9])) <= EXPONENT else None
    return _decimal(found["plain"])


def _signed(text: str) -> Fraction:
    return -_decimal(text[1:]) if text.startswith("-") else _decimal(text.lstrip("+"))


def _decimal(text: str) -> Fraction:
    return Fraction(re.sub(r"[, ']", "", text).rstrip(".") or "0")


def _repeating(whole: str, fixed: str, repeated: str) -> Fraction:
    scale = 10 ** len(fixed)
    return Fraction(int((whole or "0") + fixed), scale) + Fraction(int(repeated), scale * (10 ** len(repeated) - 1))


def _unit(rest: str) -> str | None:
    """The unit that follows a number in one spelling, empty where there is none; None for what is no unit."""
    text = rest.strip()
    if not text:
        return ""
    if degrees := DEGREES.fullmatch(text):
        return f"degree {(degrees['scale'] or degrees['name'] or '')[:1].lower()}".strip()
    if UNIT.fullmatch(text) is None:
        return None
    words = PIECE.findall(re.sub(r"\bper\b", "/", re.sub(r"\\(?:text|cdot)", " ", text.replace("’", "'"))))
    letters = [word.lower() for word in words if word.isalpha()]
    if len(words) > 8 or NO_UNITS.intersection(word for word in letters if len(word) > 1):
        return None
    if not text.startswith("\\text"):  # bare letters may be variables
        if any(len(word) == 1 and word not in BARE for word in letters):
            return None
        if not rest.startswith(" ") and not (len(words[0]) > 1 and _spelled(words[0]) in MEASURES):
            return None
    named = [name for word in words for name in SPLIT.get(word.lower(), (_spelled(word),)) if name not in EMPTY]
    return " ".join(sorted(named, key=lambda name: name.startswith("^")))


def _spelled(word: str) -> str:
    if word.startswith("^"):
        return "^" + re.sub(r"[\^{ ]", "", word)
    word = word.lower()
    for name in (word, word.removesuffix("s"), word.removesuffix("es")):
        if name in NAMES:
            return NAMES[name]
        if name in MEASURES or name in EMPTY:
            return name
    return word.removesuffix("s") if len(word) > 3 else word


def trailing_unit(text: str) -> tuple[str, str]:
    """An expression and the unit that follows it: ``5\\sqrt{2}\\text{ cm}``; no unit where nothing says that it is one."""
    if text.endswith("^\\circ"):
        return text.removesuffix("^\\circ").strip(), "degree"
    found = TRAILING.search(text)
    if found is None or not found.start():
        return text, ""
    rest = found[0]
    wrapped = rest.lstrip().startswith("\\text")
    unit = _unit(rest)
    if unit is None or not (
        wrapped or any(name in MEASURES or name in EMPTY for name in unit.split()) or rest.strip() in ("units", "radians")
    ):
        return text, ""
    return text[: found.start()].strip(), unit
