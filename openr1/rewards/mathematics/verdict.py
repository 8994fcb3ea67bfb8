"""Verdicts on answers in mathematics, by the first of several exact steps that can decide.

1. *same text*: the normal forms of the two texts are the same.
2. *exact numbers*: both are numbers, times, ratios or words, and are compared as such.
3. *parts*: lists, sets, tuples and equations are compared part by part.
4. *expressions*: expressions that math-verify's parser reads to their end are compared by value.

A gold answer that is not read to its end gives no verdict. An answer that is not read is wrong, and so is one that repeats the
question: the product to be computed, or an expression of the prompt.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from openr1.rewards.base import Sample, Verdict
from openr1.rewards.mathematics.equality import are_equal, is_exact, is_relation
from openr1.rewards.mathematics.markup import normalise
from openr1.rewards.mathematics.numbers import Number, is_integer_power
from openr1.rewards.mathematics.reader import LONGEST, flatten, read_answer
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
from openr1.rewards.mathematics.selection import HASHES, find_candidates, strip_label
from openr1.rewards.parsing import extract_conclusion, extract_last_boxes

SPACES = re.compile(r"(?<![\dA-Za-z]) | (?![\dA-Za-z])")
UNDONE = re.compile(r"\\(?:sum|prod|int|lim|det)(?![A-Za-z])|\\frac ?\{ ?(?:d|\\partial)\b")
WRITTEN = re.compile(r"-?\d[\d, ]*(?:\.\d+)?")  # a plain number, without a calculation
FRACTION = re.compile(r"-?(?:\\frac ?\{ ?)?(\d+)(?: ?\} ?\{ ?| ?/ ?)(\d+)(?: ?\})?")
OPERATOR = re.compile(r"[-+*/^=]|\\(?:times|cdot|frac|sqrt|sum|prod|int|binom|log|ln|sin|cos|tan)|!")


def judge_mathematics(sample: Sample, progress: Callable[[str], Any]) -> Verdict:
    """Judge a sample's answer.

    :param progress: called with the part that begins: "start", "gold" or "completion".
    """
    progress("start")
    import latex2sympy2_extended  # noqa: F401  so that the import of SymPy counts neither as the gold answer nor as the answer

    progress("gold")
    gold = sample.problem.answer
    reading = read_gold(gold)
    if reading is None:
        return Verdict(step="the gold answer is not read to its end")
    progress("completion")
    text = extract_conclusion(sample.completion)
    if not text:
        return Verdict(False, gold=format_reading(reading), step="no answer")
    return judge_text(gold, reading, text, sample.problem.prompt)


def judge_text(gold: str, reading: Reading, text: str, prompt: str = "") -> Verdict:
    """Compare a gold answer, and its reading, with the answer of a conclusion."""
    gold_text = _squeeze(normalise(_extract_gold(gold)))
    for parts in find_candidates(text):
        if max(map(len, parts)) > LONGEST:
            continue
        if _find_zeros("".join(parts)) - _find_zeros(gold + prompt):
            return Verdict(False, gold=format_reading(reading), step="digits of another script")
        texts = [_squeeze(normalise(part)) for part in parts]
        if len(texts) == 1 and texts[0] == gold_text:
            return Verdict(True, gold=format_reading(reading), answer=texts[0], step="same text")
        answer = _combine([read_answer(strip_label(part)) for part in parts])
        if answer is None or (is_wordy(answer) and not is_wordy(reading)):  # prose about the answer
            continue
        if (fault := _find_fault(reading, answer, prompt, parts)) is not None:
            return Verdict(False, gold=format_reading(reading), answer=format_reading(answer), step=fault)
        correct = _is_right(reading, answer)
        return Verdict(correct, gold=format_reading(reading), answer=format_reading(answer), step=_name_step(reading, answer))
    return Verdict(False, gold=format_reading(reading), step="the answer cannot be read")


def _find_zeros(text: str) -> set[int]:
    """Return the zero of each script, other than the Latin one, of which a text has digits."""
    if text.isascii():
        return set()
    digits = (mark for mark in unicodedata.normalize("NFKC", text) if mark.isdecimal())
    return {ord(mark) - unicodedata.decimal(mark) for mark in digits} - {ord("0")}


@lru_cache(maxsize=4096)
def read_gold(gold: str) -> Reading | None:
    """Read a gold answer; None if it cannot be read to its end, or not be compared with answers."""
    reading = read_answer(strip_label(_extract_gold(gold)))
    return reading if reading is not None and reading != DOTS and is_exact(reading) else None


def read_conclusion(text: str) -> Reading | None:
    """Read the answer of a conclusion; None if it cannot be read."""
    for parts in find_candidates(text):
        if (answer := _combine([read_answer(strip_label(part)) for part in parts])) is not None:
            return answer
    return None


def _extract_gold(gold: str) -> str:
    """Extract the answer from a gold text: the box of a solution, the text after ``####``, or the whole text."""
    if boxes := extract_last_boxes(gold):
        return ", ".join(boxes)
    return hashes[-1] if (hashes := HASHES.findall(gold)) else gold


def _combine(items: list[Reading | None]) -> Reading | None:
    known = [item for item in items if item is not None]
    if not known or len(known) < len(items):
        return None
    return known[0] if len(known) == 1 else Several(flatten(known))


def _is_right(gold: Reading, answer: Reading) -> bool:
    """Compare an answer with the gold answer. It may name its value, or give an equation for it."""
    if isinstance(gold, Named) and isinstance(answer, Named) and _differ_in_symbol(gold.name, answer.name):
        sides = bool(gold.left and answer.left) and len(gold.name) == len(answer.name) == 1
        return sides and are_equal(_to_equation(gold), _to_equation(answer))
    if isinstance(gold, Equation | Named) and isinstance(answer, Equation | Named):
        general = isinstance(gold, Equation) or isinstance(answer, Equation)
        if general and gold.left and answer.left:
            return are_equal(_to_equation(gold), _to_equation(answer))
    if isinstance(answer, Equation) and answer.value is not None:
        return are_equal(gold, answer.value)
    return are_equal(gold, answer)


def _to_equation(reading: Equation | Named) -> Equation:
    return Equation(reading.left, reading.right, None)


def _differ_in_symbol(one: str, other: str) -> bool:
    """Tell whether two names are different symbols, such as x and f(2); words, such as area, may name anything."""
    words = [not name or re.fullmatch("[a-z]{3,}", name) for name in (one, other)]
    return one != other and not any(words)


def is_wordy(reading: Reading) -> bool:
    """Tell whether a reading is words, or has words among its parts."""
    if isinstance(reading, Several | Bracketed):
        return any(map(is_wordy, reading.items))
    return isinstance(reading, Text) or (isinstance(reading, Named) and is_wordy(reading.value))


def _find_fault(gold: Reading, answer: Reading, prompt: str, parts: list[str]) -> str | None:
    """Return why an answer that may have the right value does not count, because the question remains to be solved."""
    aims = _find_leaves(gold)
    for value in _find_leaves(answer):
        if not isinstance(value, Expression):
            continue
        if (
            prompt
            and OPERATOR.search(value.text)
            and _is_in_prompt(value.text, prompt)
            and not _is_gold_expression(gold, value.text)
        ):
            return "the answer repeats the prompt"
        if is_undone(value) and not any(isinstance(aim, Expression) and is_undone(aim) for aim in aims):
            return "a calculation, not its result"
        numbers = not isinstance(gold, Equation) and all(isinstance(aim, Number) for aim in aims)
        if numbers and not is_relation(value) and not is_integer_power(value.text):
            return "a calculation where a number is asked for"
    for part in parts:
        if (
            prompt
            and isinstance(gold, Number | Named)
            and isinstance(answer, Number | Named | Ratio)
            and _repeats_number(part, gold, prompt)
        ):
            return "the answer repeats the prompt"
    return None


def _repeats_number(part: str, gold: Reading, prompt: str) -> bool:
    """Tell whether a number has the form that it has in the prompt, and the gold answer another form: 84/7 for 12."""
    text = normalise(part)
    if WRITTEN.fullmatch(text) or not _is_in_prompt(text, prompt):
        return False
    reduced = FRACTION.fullmatch(text)
    if reduced and math.gcd(int(reduced[1]), int(reduced[2])) == 1 and int(reduced[2]) > 1:
        return isinstance(gold, Number) and gold.value.denominator == 1
    return True


def _find_leaves(reading: Reading) -> list[Reading]:
    """Return the values of a reading, out of names, lists and brackets."""
    if isinstance(reading, Named | Equation):
        return _find_leaves(reading.value) if reading.value is not None else []
    if isinstance(reading, Several | Bracketed):
        return [leaf for item in reading.items for leaf in _find_leaves(item)]
    return [reading]


def is_undone(reading: Expression) -> bool:
    """Tell whether an expression is a sum, a product, an integral, a derivative or a limit that is not evaluated."""
    return UNDONE.search(reading.text) is not None


def _is_in_prompt(text: str, prompt: str) -> bool:
    wanted = r"\s*".join(re.escape(mark) for mark in _strip_grouping(text) if mark != " ")
    return re.search(rf"(?<![\w.]){wanted}(?!\w|\.\d)", _normalise_prompt(prompt)) is not None


@lru_cache(maxsize=256)
def _normalise_prompt(prompt: str) -> str:
    return _strip_grouping(normalise(prompt[-LONGEST:]))


def _is_gold_expression(gold: Reading, text: str) -> bool:
    return isinstance(gold, Expression) and _strip_grouping(gold.text).split() == _strip_grouping(text).split()


def _strip_grouping(text: str) -> str:
    """Remove from a formula all that only groups it or marks it up."""
    text = re.sub(r"\\[dt]?frac ?\{ ?(\d+) ?\} ?\{ ?(\d+) ?\}", r"\1/\2", text)
    text = text.replace("\\times", "*").replace("\\cdot", "*").replace("**", "^")
    return re.sub(r"[{}$]|\\[()\[\]]", "", text)


def _name_step(gold: Reading, answer: Reading) -> str:
    exact = Number | Based | Time | Ratio | Text
    mine, theirs = (reading.value if isinstance(reading, Named) else reading for reading in (gold, answer))
    if isinstance(mine, exact) and isinstance(theirs, exact):
        return "exact numbers" if not isinstance(mine, Text) else "words"
    if isinstance(mine, Several | Bracketed | Equation) or isinstance(theirs, Several | Bracketed | Equation):
        return "parts"
    return "expressions"


def _squeeze(text: str) -> str:
    return SPACES.sub("", text)


def format_reading(reading: Reading) -> str:
    """Format a reading as people write it. Equal readings of exact values have the same text."""
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
            return f"{reading.name} = {format_reading(reading.value)}" if reading.name else format_reading(reading.value)
        case Equation():
            return f"{reading.left} = {reading.right}"
        case Region():
            return f" {reading.joint} ".join(map(format_reading, reading.items))
        case Several():
            return ", ".join(map(format_reading, reading.items))
        case Bracketed():
            return reading.brackets[0] + ", ".join(map(format_reading, reading.items)) + reading.brackets[1]
        case Expression():
            return f"{reading.text} {reading.unit}".strip()
    return reading.text
