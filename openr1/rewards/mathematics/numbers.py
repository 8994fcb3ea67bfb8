"""Reads numbers as answers write them, exactly: decimals, fractions, mixed numbers, percentages, with a unit or without.

``12,345``, ``3.2e5``, ``2 1/2``, ``0.1\\overline{6}``, ``35\\%``, ``\\$18.00``, ``5\\text{ cm}^2``. What is only nearly a
number, such as ``5√3`` or ``18 or 19``, is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from openr1.rewards.mathematics.units import PERCENT, unit

DIGITS = 4300  # of a number; more are compared as text alone
EXPONENT = 4000  # of ten

GROUPED = r"[1-9]\d{0,2}(?:,\d{3})+(?!\d)|[1-9]\d{0,2}(?: \d{3})+(?!\d)|[1-9]\d{0,2}(?:'\d{3})+(?!\d)|\d+"
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
CURRENCY = {"$": "dollar", "\\$": "dollar", "US$": "dollar", "USD": "dollar", "€": "euro", "EUR": "euro", "£": "pound"}
CURRENCY |= {"¥": "yen", "₹": "rupee", "Rs.": "rupee", "Rs": "rupee"}
PREFIX = re.compile(r"(?P<sign>[+-] ?)?(?P<mark>US\$|USD|EUR|Rs\.?|\\?\$|[€£¥₹]) ?(?=[\d.(\\])")
WHOLE = re.compile(r"\([^(),]*\)|\[[\d. /-]*\]")  # a number in brackets
NEGATED = re.compile(r"- ?\( ?(- ?)?([^()+,-]+)\)")
SPOKEN = re.compile(r"(?:minus|negative) (?=[\d.])", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """An exact number.

    :ivar unit: its unit as :mod:`openr1.rewards.mathematics.units` writes it, such as ``cm^2``; empty where there is none.
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
    while WHOLE.fullmatch(text):
        text = text[1:-1].strip()
    found = NUMBER.match(text)
    if found is None or len(found[0]) > DIGITS or found[0].count("(") != found[0].count(")"):
        return None
    value, rest = _value(found), text[found.end() :]
    if value is None or rest[:1].isdigit() or rest[:1] in (".", ",", "'"):
        return None
    percent = PERCENT.match(rest.strip())
    if percent and currency:
        return None
    read = unit(" " + rest.strip()[percent.end() :] if percent else rest)
    if read is None:
        return None
    named = read[1]
    if currency and named != currency:
        named = f"{currency} {named}" if not named or "^-" in named else ""
        if not named:
            return None
    return Number(value * read[0], named.strip(), percent is not None)


def integer_power(text: str) -> bool:
    """Tell whether a text is a plain power of numbers, such as ``2^{10}``, ``2**10`` or ``7 \\cdot 10^3``."""
    base = rf"(?:{DECIMAL}|\( ?-? ?{DECIMAL} ?\)|\( ?\\frac\{{\d+\}}\{{\d+\}} ?\)|\( ?\d+ ?/ ?\d+ ?\))"
    power = rf"{base} ?(?:\^|\*\*) ?(?:\{{ ?-?\d+ ?\}}|\( ?-?\d+ ?\)|-?\d+)"
    return re.fullmatch(rf"-? ?(?:\\frac ?\{{ ?(?:1|{power}) ?\}} ?\{{ ?{power} ?\}}|1 ?/ ?{power}|{power})", text) is not None


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
