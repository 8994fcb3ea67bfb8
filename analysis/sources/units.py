"""Units as people write them: in a header, beside a number, or as an option."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from analysis.sources.columns import COUNTS, LOSSES, NATS, SHARES

THOUSANDS = {
    1e3: ("k", "thousand", "thousands"),
    1e6: ("m", "mn", "mio", "million", "millions"),
    1e9: ("b", "bn", "g", "billion", "billions"),
    1e12: ("t", "tn", "trillion", "trillions"),
}
SCALES = {word: factor for factor, words in THOUSANDS.items() for word in words}
PREFIXES = ("", "k", "m", "g", "t", "p", "e", "z", "y")
SI = {prefix: 1e3**power for power, prefix in enumerate(PREFIXES)} | {
    name: 1e3**power for power, name in enumerate(("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta"), start=1)
}
DAY = 86_400  # seconds

COUNTED = re.compile(r"\b(tokens?|toks?|params?|parameters?|of|in)\b")
SHORT_COUNT = re.compile(r"([kmbgt])(?:tokens?|toks?|params?|parameters?)")
POWER_OF_TEN = re.compile(r"[x*]?\s*(?:10(?:\^|\*\*)(\d+)|1e\+?(\d+)|10{3,}|1)")
FLOPS = re.compile(r"({})[\s-]?flops?".format("|".join(sorted(SI, key=len, reverse=True))))
FLOPS_DAYS = re.compile(
    r"({})[\s-]?f(?:lops?)?(?:/s|/sec|/second|ps)?s?[\s_*-]*days?".format("|".join(sorted(SI, key=len, reverse=True)))
)

BRACKETS = re.compile(r"(.*?)\s*[(\[{]([^()\[\]{}]+)[)\]}]\s*")
IN = re.compile(r"(.+?)\s+in\s+(.+)")
# a capital letter is a unit; in lower case it may be anything, such as the name of a variant
ENDING = re.compile(r"(.+)_(K|M|B|G|T|millions?|billions?|trillions?|[eE]?\d+|1e\d+|[kMGTPEZY]?FLOPs?|[a-zA-Z]+[_-]?days?)")


@dataclass(frozen=True)
class Unit:
    """A unit: values times ``factor`` are in the unit of the quantity. Of a ``perplexity`` the logarithm is taken."""

    factor: float
    perplexity: bool = False


def parse_unit(text: str, key: str) -> Unit | None:
    """Return the unit that a text certainly names for a quantity, such as ``B`` for N or ``PF-days`` for C; else null."""
    text = text.strip().lower().replace("\u00d7", "x").replace("\u00b7", "*")
    per = "answer" if key == "kl" else "token"
    if key in COUNTS:
        text = COUNTED.sub(" ", text).strip()
        short = SHORT_COUNT.fullmatch(text)
        text = short[1] if short else text
        if text in SCALES:
            return Unit(SCALES[text])
    if key == "C" and (found := FLOPS_DAYS.fullmatch(text)):
        return Unit(SI[found[1]] * DAY)
    if key == "C":
        text = "" if text in ("flops", "flop") else re.sub(r"\s+flops?$", "", text)
        if found := FLOPS.fullmatch(text):
            return Unit(SI[found[1]])
    if key in (*COUNTS, "C"):
        if not text:
            return Unit(1.0)
        if found := POWER_OF_TEN.fullmatch(text):
            power = found[1] or found[2]
            return Unit(10.0 ** int(power) if power else float(text.lstrip("x* ")))
    if key in SHARES and text in ("%", "percent", "per cent", "pct"):
        return Unit(0.01)
    if key in NATS and text in ("nat", "nats", f"nats/{per}", f"nats per {per}"):
        return Unit(1.0)
    if key in NATS and text in ("bit", "bits", f"bits/{per}", f"bits per {per}"):
        return Unit(math.log(2))
    return None


def parse_option(text: str, key: str) -> Unit | None:
    """Return the unit that an option gives a quantity: any factor above 0, or a name; null for another text."""
    try:
        factor = float(text)
    except ValueError:
        known = {"perplexity": Unit(1.0, True), "ppl": Unit(1.0, True)} if key in LOSSES else {}
        return known.get(text.strip().lower()) or parse_unit(text, key)
    return Unit(factor) if 0 < factor < math.inf else None


def split_header(name: str, key: str) -> tuple[str, str, Unit] | None:
    """Split a header into a name, the text of its unit and the unit, if it certainly names one: ``params (B)``, ``N_M``,
    ``tokens in billions``, ``PFLOP/s-days``.
    """
    for pattern in (BRACKETS, IN, ENDING):
        if found := pattern.fullmatch(name.strip()):
            text = found[2]
            power = f"1{text.lower()}" if re.fullmatch(r"[eE]\d+", text) else text
            if (unit := parse_unit(power.replace("_", "-"), key)) and not (pattern is ENDING and text.isdigit()):
                return found[1], text, unit
    if key == "C" and (unit := parse_unit(name.replace("_", "-"), key)) and unit.factor != 1:
        return "", name, unit
    return None
