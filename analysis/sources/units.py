"""Units as people write them: in a header, beside a number, or as an option."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from openr1.analysis.sources.columns import COUNTS, LOSSES, NATS, SHARES

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
POWER_OF_TEN = re.compile(r"[x*]?\s*(?:10(?:\^|\*\*)(\d{1,2})|1e\+?(\d{1,2})|10{3,}|1)")
BASES = {"log10": 10.0, "ln": math.e, "loge": math.e, "log2": 2.0}
LOGARITHMS = {
    "log10": "log10",
    "log_10": "log10",
    "lg": "log10",
    "ln": "ln",
    "loge": "ln",
    "log_e": "ln",
    "log2": "log2",
    "log_2": "log2",
}
LOGARITHM = re.compile(r"(log_?10|log_?2|log_?e|lg|ln|log)(?:[\s_]*\(\s*(.+?)\s*\)|[\s_]+(.+))", re.IGNORECASE)
LOGGED = (*COUNTS, "C")
LARGEST_LOGARITHM = 100.0  # as a logarithm of any base, of more FLOPs than there are
FLOPS = re.compile(r"({})[\s-]?flops?".format("|".join(sorted(SI, key=len, reverse=True))))
FLOPS_DAYS = re.compile(
    r"({})[\s-]?f(?:lops?)?(?:/s|/sec|/second|ps)?s?[\s_*-]*days?".format("|".join(sorted(SI, key=len, reverse=True)))
)

LETTERS = "K|M|B|G|T"
AMOUNTS = "thousands?|millions?|billions?|trillions?"
COUNTED_THINGS = "tokens?|toks?|params?|parameters?"
FLOPS_PREFIX = re.compile(r"^([kKMGTPEZY])$")
BRACKETS = re.compile(r"(.*?)\s*[(\[{]([^()\[\]{}]+)[)\]}]\s*")
IN = re.compile(r"(.+?)\s+in\s+(.+)")
OVER = re.compile(r"(.+?)\s*(?:/|,|\s[x\u00d7*])\s*(10\^\d+|10\*\*\d+|1[eE]\+?\d+|[KMBGT]|millions?|billions?|trillions?)")
BEFORE = re.compile(rf"((?:{AMOUNTS})\s+(?:of\s+)?|(?:{LETTERS})\s*)((?:{COUNTED_THINGS}))", re.IGNORECASE)
# a capital letter is a unit; in lower case it may be anything, such as the name of a variant
ENDING = re.compile(r"(.+)_(K|M|B|G|T|millions?|billions?|trillions?|[eE]?\d+|1e\d+|[kMGTPEZY]?FLOPs?|[a-zA-Z]+[_-]?days?)")


@dataclass(frozen=True)
class Unit:
    """A unit: values times ``factor`` are in the unit of the quantity. Of a ``perplexity`` the logarithm is taken; values
    that are logarithms themselves have their ``base``.
    """

    factor: float
    perplexity: bool = False
    base: float | None = None

    @property
    def keeps(self) -> bool:
        """True if the values stay as they are."""
        return self.factor == 1 and not self.perplexity and self.base is None

    def convert(self, values: np.ndarray) -> np.ndarray:
        """Return values in the unit of the quantity; NaN for a perplexity that is not positive."""
        with np.errstate(all="ignore"):
            if self.base is not None:
                return np.power(self.base, values)
            values = values * self.factor
            return np.where(values > 0, np.log(values), np.nan) if self.perplexity else values

    def describe(self) -> str:
        """Say what becomes of the values."""
        if self.base is not None:
            return f"holds logarithms, and is read as powers of {'e' if self.base == math.e else f'{self.base:g}'}"
        return "is a perplexity, of which the logarithm is taken" if self.perplexity else f"is multiplied by {self.factor:g}"


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
    if key in LOSSES and text in ("perplexity", "ppl"):
        return Unit(1.0, perplexity=True)
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
        base = BASES.get(text.strip().lower()) if key in LOGGED else None
        return parse_unit(text, key) if base is None else Unit(1.0, base=base)
    return Unit(factor) if 0 < factor < math.inf else None


def split_header(name: str, key: str) -> tuple[str, str, Unit] | None:
    """Split a header into a name, the text of its unit and the unit, if it certainly names one: ``params (B)``, ``N_M``,
    ``tokens in billions``, ``N/1e6``, ``million tokens``, ``PFLOP/s-days``, ``log10 C``.
    """
    if (found := LOGARITHM.fullmatch(name.strip())) and key in LOGGED:
        word = LOGARITHMS.get(found[1].lower())
        return (found[2] or found[3], word, Unit(1.0, base=BASES[word])) if word else None
    if (found := BEFORE.fullmatch(name.strip())) and (unit := parse_unit(found[1], key)):
        return found[2], found[1].strip(), unit
    for pattern in (BRACKETS, IN, OVER, ENDING):
        if found := pattern.fullmatch(name.strip()):
            text = found[2]
            if pattern is BRACKETS and key == "C" and "flop" in found[1].lower():
                text = FLOPS_PREFIX.sub(r"\1FLOPs", text)
            power = f"1{text.lower()}" if re.fullmatch(r"[eE]\d+", text) else text
            if (unit := parse_unit(power.replace("_", "-"), key)) and not (pattern is ENDING and text.isdigit()):
                return found[1], text, unit
    if key == "C" and (unit := parse_unit(name.replace("_", "-"), key)) and unit.factor != 1:
        return "", name, unit
    return None


def has_unknown_base(name: str, key: str) -> bool:
    """Return True for a header such as ``log C`` that says logarithm, and not of which base."""
    found = LOGARITHM.fullmatch(name.strip())
    return key in LOGGED and found is not None and found[1].lower() == "log"
