"""Units and counted things after a number: ``cm``, ``m/s^2``, ``square units``, ``eggs``, ``million dollars``.

The normal form of a unit is its parts with their powers, in the order of their names: ``h^-1 km`` for ``km/h``. A text that may
be a product of variables, such as ``mv^2`` or ``ab``, is not a unit unless LaTeX marks it as text.
"""

from __future__ import annotations

import re

PERCENT = re.compile(r"%|\\text\{ ?(?:%|percent|per cent|pct) ?\}|percent(?:age)?\b|per cent\b|pct\b\.?", re.IGNORECASE)
DEGREES = re.compile(
    r"\^\\circ ?(?P<scale>[CFK])?|(?:\\text\{ ?)?degrees?(?: (?P<name>celsius|fahrenheit|C|F))?(?: ?\})?", re.IGNORECASE
)
ORDINAL = re.compile(r"(?:\^ ?\{? ?)?(?:\\text ?\{ ?)?(?:st|nd|rd|th)(?: ?\})?(?: ?\})?")
MARKED = r"\\text ?\{(?:[^{}\d\\()]|\^ ?\{?-?\d\}?|\\cdot|\\mu)*\}"  # words that LaTeX marks as text
POWER = r"(?: ?\^ ?(?:\{ ?-? ?\d ?\}|-?\d))?"
WORD = rf"(?:{MARKED}|[^\W\d_][^\W\d_'’.-]*(?:[’'.-][^\W\d_]+)*\.?){POWER}"
UNIT = re.compile(rf"{WORD}(?:(?: ?/ ?| ?\\cdot ?| ?\*? ?| per ){WORD}){{0,5}}")
TRAILING = re.compile(
    rf"(?: ?{MARKED}{POWER}| [A-Za-z]{{2,}}{POWER})(?: ?(?:/|per|\\cdot)? ?(?:{MARKED}|[A-Za-z]+){POWER}){{0,3}}$"
)
PIECE = re.compile(r"\^ ?\{? ?-? ?\d|[^\W\d_]+|/")
MAGNITUDES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
MAGNITUDES |= {"mn": 10**6, "bn": 10**9, "tn": 10**12}
NAMES = {  # spelling -> unit
    "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm", "meter": "m", "metre": "m",
    "kilometer": "km", "kilometre": "km", "inch": "in", "inche": "in", "foot": "ft", "feet": "ft", "yard": "yd", "mile": "mi",
    "gram": "g", "kilogram": "kg", "milligram": "mg", "lb": "pound", "ounce": "oz", "second": "s", "sec": "s", "minute": "min",
    "hour": "h", "hr": "h", "liter": "L", "litre": "L", "l": "L", "ml": "mL", "milliliter": "mL", "millilitre": "mL",
    "joule": "J", "newton": "N", "watt": "W", "volt": "V", "ampere": "A", "amp": "A", "ohm": "Ω", "hertz": "Hz", "pascal": "Pa",
    "buck": "dollar", "usd": "dollar", "euro": "euro", "eur": "euro", "gbp": "pound", "people": "person", "men": "man",
    "women": "woman", "children": "child", "gallon": "gal", "cent": "cent", "day": "day", "week": "week", "month": "month",
    "year": "year", "yr": "year", "degree": "degree", "radian": "rad", "unit": "unit",
}  # fmt: skip
WORDS = frozenset({"person", "man", "woman", "child"})  # counted, not measured
MEASURES = frozenset(NAMES.values()) - WORDS | {
    "mol",
    "acre",
    "pint",
    "quart",
    "cup",
    "pence",
    "rupee",
    "yen",
    "yuan",
    "won",
    "ruble",
}
SYMBOL = re.compile(r"[kMGTcmnpdμ]?(?:m|g|s|A|K|mol|Hz|N|Pa|J|W|V|C|F|T|H|L|eV|cal|bar|Ω|min|h)")  # case matters
SPLIT = {"mph": "mi/h", "kmh": "km/h", "kph": "km/h", "kmph": "km/h"}
RAISING = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
RAISED = {"squared": 2, "cubed": 3}
COMMON = frozenset(
    "cm mm km kg mg ml mL kJ kW Hz kHz MHz GHz Pa kPa eV mi ft yd in oz hr min sec mol cal gal rad mph kmh kph".split()
)
BARE = frozenset("mghsL")  # units of one letter that stand after a number and a space
EMPTY = frozenset(
    "digit integer number value answer total altogether remaining exactly long tall wide high deep apart away old".split()
)
NO_UNITS = frozenset(
    "or and but not than because since which so is are was if then to plus minus times mod modulo more less at most "
    "least either neither nor divided by over of the where for with hence thus therefore note that it we pi sqrt log ln "
    "sin cos tan exp when only unless except also maybe perhaps about approximately between choose from until equals "
    "equal no wrong incorrect base factorial doubled tripled halved inverse root negative positive below above "
    "excluded rejected invalid fails failed discarded extraneous tens halves thirds fourths quarters fifths sixths "
    "sevenths eighths ninths tenths hundredths thousandths half third fourth quarter fifth hundreds thousands millions "
    "billions dozens squared cubed".split()
)

# units and counters of Chinese, Japanese and Korean, which stand after a number without a space -> unit
EAST_ASIAN = {
    "米": "m", "厘米": "cm", "毫米": "mm", "千米": "km", "公里": "km", "克": "g", "千克": "kg", "公斤": "kg", "升": "L",
    "毫升": "mL", "秒": "s", "分钟": "minute", "分間": "minute", "分鐘": "minute", "小时": "h", "小時": "h", "時間": "h",
    "天": "day", "元": "yuan", "円": "yen", "美元": "dollar", "欧元": "euro", "キロ": "kg", "グラム": "g", "メートル": "m",
    "초": "s", "시간": "h", "미터": "m", "원": "won", "달러": "dollar", "킬로그램": "kg", "그램": "g", "센티미터": "cm",
    "킬로미터": "km",
}  # fmt: skip
COUNTER = r"[个個只隻条條本张張枚支棵辆輛次回人名位件岁歳才匹台개명살권마리장번대]|마리|사람"
COUNTED = re.compile(
    rf"(?P<unit>{'|'.join(sorted(EAST_ASIAN, key=len, reverse=True))})?"
    rf"(?P<counter>{COUNTER})?(?P<noun>(?<=[个個])[\u4e00-\u9fff]{{1,4}})?(?:です|だ|입니다|이다)?"
)
# words that change the number: and a half, hundred, ten thousand, times, less than, not, about, of; thousand, but for kilo-
CHANGES = re.compile(
    "[半百十万萬亿億만억倍点點多不没沒未負负或余餘以左約约超至到错錯的]|千(?![克米瓦卡帕焦赫伏])|тыс|млн|млрд|милл|десят|процент|lakh|crore"
)
SIGNS = {  # of currencies -> unit; they stand before or after a number
    "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee", "₽": "ruble", "₩": "won", "$": "dollar", "\\$": "dollar",
}  # fmt: skip


def read_unit(after: str) -> tuple[int, str] | None:
    """Return the magnitude and the unit that follow a number; None if the text is not a unit.

    :param after: all text after the number, with the space before it.
    """
    text = re.sub(r"^of (?:an?|the) ", "", after.strip())
    if not text or ORDINAL.fullmatch(text):
        return 1, ""
    if degrees := DEGREES.fullmatch(text):
        return 1, f"degree{(degrees['scale'] or degrees['name'] or '')[:1].upper()}"
    if CHANGES.search(text):
        return None
    plain = re.sub(r"^\\text ?\{ ?(.*?) ?\}$", r"\1", text)
    if plain in SIGNS:
        return 1, SIGNS[plain]
    if counted := COUNTED.fullmatch(plain):
        measured = EAST_ASIAN.get(counted["unit"] or counted["noun"] or "")
        return 1, measured or " ".join(filter(None, sorted((counted["counter"] or "", counted["noun"] or ""))))
    if UNIT.fullmatch(text) is None:
        return None
    marked = text.startswith("\\text")
    words = PIECE.findall(_spell_out(text))
    magnitude = 1
    while words and words[0].lower() in MAGNITUDES and (marked or after.startswith(" ")):
        magnitude *= MAGNITUDES[words.pop(0).lower()]
    if len(words) > 8 or (words and words[0].lower() in RAISED) or _is_formula(words, marked, after):
        return None
    return magnitude, " ".join(f"{name}^{power}" if power != 1 else name for name, power in sorted(_read_powers(words).items()))


def same_unit(one: str, other: str) -> bool:
    """Tell whether two units agree; a missing unit agrees with any. Units are not converted."""
    mine, theirs = _parse_unit(one), _parse_unit(other)
    if not mine or not theirs or mine == theirs:
        return True
    if set(mine) == {"unit"} or set(theirs) == {"unit"}:
        return sum(mine.values()) == sum(theirs.values())
    measured = [{name: power for name, power in unit.items() if is_measure(name)} for unit in (mine, theirs)]
    if measured[0] != measured[1]:
        return False
    words = [set(unit) - set(measured[0]) for unit in (mine, theirs)]
    return words[0] <= words[1] or words[1] <= words[0]


def is_measure(name: str) -> bool:
    """Tell whether a name is a unit of measurement, and not a counted thing."""
    return name in MEASURES or name.startswith("degree") or SYMBOL.fullmatch(name) is not None


def split_trailing_unit(text: str) -> tuple[str, str, bool]:
    """Split an expression from its unit: ``5\\sqrt{2}\\text{ cm}``. Returns both, and whether LaTeX marks the unit as text."""
    if text.endswith("^\\circ"):
        return text.removesuffix("^\\circ").strip(), "degree", True
    trailing = TRAILING.search(text)
    if trailing is None or not trailing.start():
        return text, "", False
    marked, magnitude_and_unit = trailing[0].lstrip().startswith("\\text"), read_unit(trailing[0])
    if magnitude_and_unit is None:
        return text, "", False
    magnitude, unit = magnitude_and_unit
    if magnitude != 1 or not (marked or any(map(is_measure, _parse_unit(unit)))):
        return text, "", False
    return text[: trailing.start()].strip(), unit, marked


def _spell_out(text: str) -> str:
    text = re.sub(r"\\(?:text|cdot)", " ", text.replace("’", "'").replace("\\mu", "μ"))
    text = re.sub(r"\b(?:mph|kmh|kph|kmph)\b", lambda unit: SPLIT[unit[0]], text)
    return re.sub(r"\bper\b", "/", text)


def _is_formula(words: list[str], marked: bool, after: str) -> bool:
    letters = [word for word in words if word.isalpha()]
    if NO_UNITS.intersection(word.lower() for word in letters if len(word) > 1):
        return True
    if marked or not letters:
        return False
    if any(not (word in BARE if len(word) == 1 else _is_word(word)) for word in letters):
        return True
    return not after.startswith(" ") and not (len(letters[0]) > 1 and is_measure(_normalise_name(letters[0])))


def _is_word(word: str) -> bool:
    """Tell whether letters are a word, and not a product of variables."""
    lower = word.lower()
    if word in COMMON or lower in RAISING or lower in RAISED or lower in NAMES or lower.removesuffix("s") in NAMES:
        return True
    return len(word) > 2 and re.search("[aeiou]", lower) is not None


def _read_powers(words: list[str]) -> dict[str, int]:
    """Return the powers of the parts of a unit, by name."""
    powers: dict[str, int] = {}
    sign, next_power, last = 1, 1, ""
    for word in words:
        if word == "/":
            sign = -1
        elif word.startswith("^"):
            exponent = int(re.sub(r"[\^{ ]", "", word))
            if last:
                powers[last] *= exponent
        elif word.lower() in RAISED:
            if last:
                powers[last] *= RAISED[word.lower()]
        elif word.lower() in RAISING:
            next_power = RAISING[word.lower()]
        elif (name := _normalise_name(word)) not in EMPTY:
            powers[name], last = sign * next_power, name
            sign, next_power = 1, 1
    return {name: power for name, power in powers.items() if power}


def _normalise_name(word: str) -> str:
    """Return the name of a part of a unit, in the singular."""
    lower = word.lower()
    if len(word) <= 3 and word != lower and SYMBOL.fullmatch(word):  # MW is not mW
        return word
    for name in (lower, lower.removesuffix("s"), lower.removesuffix("es")):
        if name in NAMES:
            return NAMES[name]
        if name in MEASURES or name in EMPTY:
            return name
    if SYMBOL.fullmatch(word):
        return word
    return lower.removesuffix("s") if len(lower) > 3 else lower


def _parse_unit(unit: str) -> dict[str, int]:
    """Return the powers of the parts of a unit in its normal form."""
    parts = (part.partition("^") for part in unit.split())
    return {name: int(power or 1) for name, _, power in parts}
