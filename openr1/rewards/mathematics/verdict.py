"""The verdict on an answer in mathematics, by math-verify."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from openr1.rewards.base import Sample, Verdict
from openr1.rewards.parts import conclusion, tagged

DELIMITER = re.compile(r"(?<!\\)\$|\\\(|\\\[|\\boxed")  # of LaTeX in prose


def check(sample: Sample, progress: Callable[[str], Any]) -> Verdict:
    """Equality by math-verify, its own time-outs off: they need the main thread, and a signal cannot stop every parse."""
    progress("start")
    from math_verify import verify as equal

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # its warning that time-outs are off
    progress("gold")
    gold = _gold(sample.problem.answer)
    if not gold:
        return Verdict()
    progress("completion")
    text = conclusion(sample.completion)
    if not text:
        return Verdict(False)
    short = tagged(sample.completion) == text
    return Verdict(equal(list(gold), _parse(_delimited(text) if short else text), timeout_seconds=None))


@lru_cache(maxsize=1024)
def _gold(answer: str) -> tuple:
    return tuple(_parse(_delimited(answer)))


def _delimited(answer: str) -> str:
    """A bare answer as LaTeX: outside of it math-verify reads ``5\\sqrt{2}`` as 5."""
    answer = answer.strip()
    if not answer or DELIMITER.search(answer):
        return answer
    return "$" + re.sub(r"(?<!\\)%", r"\\%", answer) + "$"


def _parse(text: str) -> list:
    """What math-verify reads in a text; nothing rather than the bare string of what it cannot read."""
    from math_verify import parse

    return parse(text, fallback_mode="no_fallback", parsing_timeout=None)
