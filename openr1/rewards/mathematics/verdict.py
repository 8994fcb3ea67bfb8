"""The verdict on an answer in mathematics: a ladder of steps, each exact, of which the first that can decides.

1. *same text*: the two are the same text in one form of characters and markup.
2. *exact numbers*: both are numbers, times, ratios or words, and compared as such.
3. *parts*: lists, sets, tuples and equations, part by part.
4. *expressions*: what math-verify's parser reads to its end, compared by value.

A gold answer that is not read to its end gives no verdict. An answer that is not read is wrong, and so is one that only says
the question again: the product that was to be found, an expression of the prompt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from openr1.rewards.base import Sample, Verdict
from openr1.rewards.mathematics.equality import is_exact, is_relation, same
from openr1.rewards.mathematics.markup import plain
from openr1.rewards.mathematics.numbers import Number, integer_power
from openr1.rewards.mathematics.reader import LONGEST, read
from openr1.rewards.mathematics.reading import (
    DOTS,
    Based,
    Bracketed,
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
from openr1.rewards.mathematics.selection import HASHES, candidates, without_label
from openr1.rewards.parsing import conclusion, last_boxes

SPACES = re.compile(r"(?<![\dA-Za-z]) | (?![\dA-Za-z])")
UNDONE = re.compile(r"\\(?:sum|prod|int|lim|det)(?![A-Za-z])|\\frac ?\{ ?(?:d|\\partial)\b")
WRITTEN = re.compile(r"-?\d[\d, ]*(?:\.\d+)?")  # a number that is not to be worked out
FRACTION = re.compile(r"-?(?:\\frac ?\{ ?)?(\d+)(?: ?\} ?\{ ?| ?/ ?)(\d+)(?: ?\})?")
OPERATOR = re.compile(r"[-+*/^=]|\\(?:times|cdot|frac|sqrt|sum|prod|int|binom|log|ln|sin|cos|tan)|!")


def check(sample: Sample, progress: Callable[[str], Any]) -> Verdict:
    """The verdict on a sample's answer."""
    progress("start")
    import latex2sympy2_extended  # noqa: F401  so that the time of importing SymPy is nobody's

    progress("gold")
    gold = sample.problem.answer
    reading = gold_reading(gold)
    if reading is None:
        return Verdict(step="the gold answer is not read to its end")
    progress("completion")
    text = conclusion(sample.completion)
    if not text:
        return Verdict(False, gold=shown(reading), step="no answer")
    return judge(gold, reading, text, sample.problem.prompt)


def judge(gold: str, reading: Reading, text: str, prompt: str = "") -> Verdict:
    """Compare a gold answer that is read as ``reading`` with the answer that a text concludes with."""
    gold_text = _squeezed(plain(_content(gold)))
    for parts in candidates(text):
        if max(map(len, parts)) > LONGEST:
            continue
        texts = [_squeezed(plain(part)) for part in parts]
        if len(texts) == 1 and texts[0] == gold_text:
            return Verdict(True, gold=shown(reading), answer=texts[0], step="same text")
        answer = _together([read(without_label(part)) for part in parts])
        if answer is None or (is_wordy(answer) and not is_wordy(reading)):  # prose about the answer
            continue
        if (fault := _question(reading, answer, prompt, parts)) is not None:
            return Verdict(False, gold=shown(reading), answer=shown(answer), step=fault)
        correct = _right(reading, answer)
        return Verdict(correct, gold=shown(reading), answer=shown(answer), step=_step(reading, answer))
    return Verdict(False, gold=shown(reading), step="the answer is not read")


@lru_cache(maxsize=4096)
def gold_reading(gold: str) -> Reading | None:
    """How a gold answer is read; None where it is not, to its end, something that answers can be compared with."""
    reading = read(without_label(_content(gold)))
    return reading if reading not in (None, DOTS) and is_exact(reading) else None


def answer_reading(text: str) -> Reading | None:
    """How the answer that a conclusion gives is read."""
    for parts in candidates(text):
        if (answer := _together([read(without_label(part)) for part in parts])) is not None:
            return answer
    return None


def _content(gold: str) -> str:
    """Take the answer out of a gold text: the box of a solution, what follows ``####``, or all of it."""
    if boxes := last_boxes(gold):
        return ", ".join(boxes)
    return hashes[-1] if (hashes := HASHES.findall(gold)) else gold


def _together(items: list[Reading | None]) -> Reading | None:
    if not all(items):
        return None
    if len(items) == 1:
        return items[0]
    return Several(tuple(part for item in items for part in (item.items if isinstance(item, Several) else (item,))))


def _right(gold: Reading, answer: Reading) -> bool:
    """Equality of a gold answer and an answer, which may name its value, or say an equation for it."""
    if isinstance(gold, Named) and isinstance(answer, Named) and _other_symbols(gold.name, answer.name):
        sides = all((gold.left, answer.left, len(gold.name) == len(answer.name) == 1))
        return sides and same(*(Equation(one.left, one.right, None) for one in (gold, answer)))
    if isinstance(gold, Equation | Named) and isinstance(answer, Equation | Named):
        general = isinstance(gold, Equation) or isinstance(answer, Equation)
        if general and gold.left and answer.left:
            return same(*(Equation(one.left, one.right, None) for one in (gold, answer)))
    if isinstance(answer, Equation) and answer.value is not None:
        return same(gold, answer.value)
    return same(gold, answer)


def _other_symbols(one: str, other: str) -> bool:
    """Tell whether two names are different symbols, such as x and f(2); words, such as area, may name anything."""
    words = [not name or re.fullmatch("[a-z]{3,}", name) for name in (one, other)]
    return one != other and not any(words)


def is_wordy(reading: Reading) -> bool:
    """Tell whether a reading is words, or has words among its parts."""
    if isinstance(reading, Several | Bracketed):
        return any(map(is_wordy, reading.items))
    return isinstance(reading, Text) or (isinstance(reading, Named) and is_wordy(reading.value))


def _question(gold: Reading, answer: Reading, prompt: str, parts: list[str]) -> str | None:
    """Why an answer that may have the right value is none: it leaves to be done what was asked for."""
    aims = _leaves(gold)
    for value in _leaves(answer):
        if not isinstance(value, Expression):
            continue
        if prompt and OPERATOR.search(value.text) and _within(value.text, prompt) and not _within_gold(gold, value.text):
            return "the prompt said again"
        if is_undone(value) and not any(isinstance(aim, Expression) and is_undone(aim) for aim in aims):
            return "a calculation, not its result"
        numbers = not isinstance(gold, Equation) and all(isinstance(aim, Number) for aim in aims)
        if numbers and not is_relation(value) and not integer_power(value.text):
            return "a calculation where a number is asked for"
    for part in parts:
        if (
            prompt
            and isinstance(gold, Number | Named)
            and isinstance(answer, Number | Named | Ratio)
            and _is_asked(part, gold, prompt)
        ):
            return "the prompt said again"
    return None


def _is_asked(part: str, gold: Reading, prompt: str) -> bool:
    """Tell whether a number is in the form in which the prompt gives it, and the gold answer in another: 84/7 for 12."""
    text = plain(part)
    if WRITTEN.fullmatch(text) or not _within(text, prompt):
        return False
    reduced = FRACTION.fullmatch(text)
    if reduced and math.gcd(int(reduced[1]), int(reduced[2])) == 1 and int(reduced[2]) > 1:
        return isinstance(gold, Number) and gold.value.denominator == 1
    return True


def _leaves(reading: Reading) -> list[Reading]:
    """The values of a reading, out of names, lists and brackets."""
    if isinstance(reading, Named | Equation):
        return _leaves(reading.value) if reading.value is not None else []
    if isinstance(reading, Several | Bracketed):
        return [leaf for item in reading.items for leaf in _leaves(item)]
    return [reading]


def is_undone(reading: Expression) -> bool:
    """Tell whether an expression is a sum, a product, an integral, a derivative or a limit that is still to be worked out."""
    return UNDONE.search(reading.text) is not None


def _within(text: str, prompt: str) -> bool:
    wanted = r"\s*".join(re.escape(mark) for mark in _bare(text) if mark != " ")
    return re.search(rf"(?<![\w.]){wanted}(?!\w|\.\d)", _asked(prompt)) is not None


@lru_cache(maxsize=256)
def _asked(prompt: str) -> str:
    return _bare(plain(prompt[-LONGEST:]))


def _within_gold(gold: Reading, text: str) -> bool:
    return isinstance(gold, Expression) and _bare(gold.text).split() == _bare(text).split()


def _bare(text: str) -> str:
    """A formula without what only groups or marks it up."""
    text = text.replace("\\times", "*").replace("\\cdot", "*").replace("**", "^")
    return re.sub(r"[{}$]|\\[()\[\]]", "", text)


def _step(gold: Reading, answer: Reading) -> str:
    exact = Number | Based | Time | Ratio | Text
    mine, theirs = (one.value if isinstance(one, Named) else one for one in (gold, answer))
    if isinstance(mine, exact) and isinstance(theirs, exact):
        return "exact numbers" if not isinstance(mine, Text) else "words"
    if isinstance(mine, Several | Bracketed | Equation) or isinstance(theirs, Several | Bracketed | Equation):
        return "parts"
    return "expressions"


def _squeezed(text: str) -> str:
    return SPACES.sub("", text)


def shown(reading: Reading) -> str:
    """A reading as people write it; equal readings of exact things are the same text."""
    match reading:
        case Number():
            return str(reading)
        case Based():
            return f"{reading.value} in base {reading.base}"
        case Time():
            minutes, seconds = divmod(reading.seconds, 60)
            return f"{minutes // 60}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
        case Ratio():
            return ":".join(reading.parts)
        case Text():
            return reading.words
        case Named():
            return f"{reading.name} = {shown(reading.value)}" if reading.name else shown(reading.value)
        case Equation():
            return f"{reading.left} = {reading.right}"
        case Region():
            return f" {reading.joint} ".join(map(shown, reading.items))
        case Several():
            return ", ".join(map(shown, reading.items))
        case Bracketed():
            return reading.brackets[0] + ", ".join(map(shown, reading.items)) + reading.brackets[1]
        case Expression():
            return f"{reading.text} {reading.unit}".strip()
    return reading.text
