"""Exact numbers in the forms of answers: decimals, fractions, mixed numbers, percentages, with a unit or without.

Examples are ``12,345``, ``3.2e5``, ``2 1/2``, ``0.1\\overline{6}``, ``35\\%``, ``\\$18.00`` and ``5\\text{ cm}^2``. A text that
has more than a number, such as ``5√3`` or ``18 or 19``, is not a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from openr1.rewards.mathematics.units import PERCENT, SIGNS, read_unit

DIGITS = 4300  # of a number, at most; longer ones are compared as texts
EXPONENT = 4000  # of ten, at most

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
    # repeating decimals: 0.\overline{{3}}, 0.(3), 0.\dot{{3}}, 0.333...
    rf"|(?P<before>\d*)\.(?P<fixed>\d*?)(?:\\overline ?\{{ ?(?P<over>\d+) ?\}}|\((?P<round>\d+)\)"
    rf"|\\dot ?\{{?(?P<dot>\d)\}}?(?:(?P<between>\d*)\\dot ?\{{?(?P<dot2>\d)\}}?)?)"
    rf"|(?P<dotted>\d*\.\d+) ?\.\.\."
    rf"|(?P<mantissa>{DECIMAL})[eE](?P<e>[+-]?\d+)(?![\d.])"
    rf"|(?:(?P<factor>{DECIMAL}) ?(?:\\times|\\cdot|\*|x) ?)?{POWER}"
    rf"|(?P<plain>{DECIMAL})"
    rf")"
)
REPEATED = re.compile(r"(\d*)\.(\d*?)(\d{1,6}?)\3{2,}(\d*)")
CURRENCY = SIGNS | {"US$": "dollar", "USD": "dollar", "EUR": "euro", "Rs.": "rupee", "Rs": "rupee"}
PREFIX = re.compile(r"(?P<sign>[+-] ?)?(?P<mark>US\$|USD|EUR|Rs\.?|\\?\$|[€£¥₹₽₩]) ?(?=[\d.(\\])")
WHOLE = re.compile(r"\([^(),]*\)|\[[\d. /-]*\]")  # a number in brackets
NEGATED = re.compile(r"- ?\( ?(- ?)?([^()+,-]+)\)")
SPOKEN = re.compile(r"(?:minus|negative) (?=[\d.])", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """An exact number.

    :ivar unit: its unit in the form of :mod:`openr1.rewards.mathematics.units`, such as ``cm^2``; empty without one.
    :ivar percent: it is a percentage, and ``value`` is the number before the sign.
    """

    value: Fraction
    unit: str = ""
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.value}{'%' if self.percent else ''}{' ' if self.unit else ''}{self.unit}"


def read_number(text: str) -> Number | None:
    """Read a normalised text that is one number to its end; None for any other."""
    text = SPOKEN.sub("-", text.strip())
    while signs := NEGATED.fullmatch(text):  # -(-5)
        text = signs[2] if signs[1] else f"-{signs[2]}"
    text, currency = _split_currency(text)
    while WHOLE.fullmatch(text):
        text = text[1:-1].strip()
    match = NUMBER.match(text)
    if match is None or len(match[0]) > DIGITS or match[0].count("(") != match[0].count(")"):
        return None
    value, after = _read_value(match), text[match.end() :]
    if value is None or after[:1].isdigit() or after[:1] in (".", ",", "'"):
        return None
    percent = PERCENT.match(after.strip())
    if percent and currency:
        return None
    magnitude_and_unit = read_unit(" " + after.strip()[percent.end() :] if percent else after)
    if magnitude_and_unit is None:
        return None
    magnitude, unit = magnitude_and_unit
    if currency and unit != currency:
        unit = f"{currency} {unit}" if not unit or "^-" in unit else ""
        if not unit:
            return None
    return Number(value * magnitude, unit.strip(), percent is not None)


def is_integer_power(text: str) -> bool:
    """Tell whether a text is a plain power of numbers, such as ``2^{10}``, ``2**10`` or ``7 \\cdot 10^3``."""
    base = rf"(?:{DECIMAL}|\( ?-? ?{DECIMAL} ?\)|\( ?\\frac\{{\d+\}}\{{\d+\}} ?\)|\( ?\d+ ?/ ?\d+ ?\))"
    power = rf"{base} ?(?:\^|\*\*) ?(?:\{{ ?-?\d+ ?\}}|\( ?-?\d+ ?\)|-?\d+)"
    return re.fullmatch(rf"-? ?(?:\\frac ?\{{ ?(?:1|{power}) ?\}} ?\{{ ?{power} ?\}}|1 ?/ ?{power}|{power})", text) is not None


def _split_currency(text: str) -> tuple[str, str]:
    prefix = PREFIX.match(text)
    if prefix is None:
        return text, ""
    return (prefix["sign"] or "") + text[prefix.end() :], CURRENCY[prefix["mark"].strip()]


def _read_value(match: re.Match) -> Fraction | None:
    sign = -1 if match["sign"].startswith("-") else 1
    try:
        value = _read_unsigned(match)
    except ZeroDivisionError:
        return None
    return None if value is None else sign * value


def _read_unsigned(match: re.Match) -> Fraction | None:
    if match["whole"]:
        return _read_decimal(match["whole"]) + Fraction(
            int(match["above"] or match["above2"]), int(match["below"] or match["below2"])
        )
    for above, below in (("top", "bottom"), ("top2", "bottom2")):
        if match[above]:
            return _read_signed_decimal(match[above]) / _read_signed_decimal(match[below])
    if match["over"] or match["round"] or match["dot"]:
        repeated = match["over"] or match["round"] or match["dot"] + (match["between"] or "") + (match["dot2"] or "")
        return _repeating_value(match["before"], match["fixed"], repeated)
    if match["dotted"]:
        period = REPEATED.fullmatch(match["dotted"])
        if period is None or not period[3].startswith(period[4]):
            return None
        return _repeating_value(period[1], period[2], period[3])
    if exponent := match["e"] or match["braced"] or match["bare"]:
        factor = _read_decimal(match["mantissa"] or match["factor"] or "1")
        return factor * Fraction(10) ** int(exponent) if abs(int(exponent[:9])) <= EXPONENT else None
    return _read_decimal(match["plain"])


def _read_signed_decimal(text: str) -> Fraction:
    return -_read_decimal(text[1:]) if text.startswith("-") else _read_decimal(text.lstrip("+"))


def _read_decimal(text: str) -> Fraction:
    return Fraction(re.sub(r"[, ']", "", text).rstrip(".") or "0")


def _repeating_value(whole: str, fixed: str, repeated: str) -> Fraction:
    scale = 10 ** len(fixed)
    return Fraction(int((whole or "0") + fixed), scale) + Fraction(int(repeated), scale * (10 ** len(repeated) - 1))
