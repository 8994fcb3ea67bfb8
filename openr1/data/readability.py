"""Readability of an answer, as a pure function of its text: a score in [0, 1], the mean of five parts.

DeepSeek-R1-Zero reasoned well and read badly: its answers mixed languages and had no layout. R1's cold-start data (arXiv
2501.12948, section 2.3.1) were filtered for what a person can read, and end in a summary. The parts below are the defects that
can be told without a model; each is a share, so that a half-mended answer has half of the value.

The measure rewards form alone: it knows nothing of whether an answer is right, and its words of summary and of filling are
English. A policy can learn to satisfy it without being easier to read, so that it belongs beside accuracy, never alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import NamedTuple

from openr1.data.language import NOISE

RULE = 1  # raised when the same text has another score
LONGEST = 4_000  # characters that an answer may have before its length counts against it
NGRAM = 8  # words that are repeated only if a passage is

THOUGHTS = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.DOTALL)
ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)
TAG = re.compile(r"</?\w+>")
OUTSIDE_LANGUAGE = re.compile(NOISE, re.DOTALL)
LETTERS = re.compile(r"[^\W\d_]+")
TOKENS = re.compile(r"\w+|[^\w\s]")
ENDS = re.compile(r"[.!?](?:\s+|$)|[\u3002\uff01\uff1f]\s*")  # of sentences; a point within a number ends none
EQUATIONS = re.compile(r"[,;\uff0c\uff1b]")  # separate several equations on one line
SUMMARY = re.compile(
    r"(?:so|thus|hence|therefore|in (?:short|summary|total|conclusion)|to (?:sum up|summari[sz]e)|overall|altogether|finally|"
    r"the (?:final )?(?:answer|result) is|(?:answer|result|summary):)\b",
    re.IGNORECASE,
)
FILLER = re.compile(
    r"(?:hmm+|um+|uh+|er+m?|wait|hold on|okay|ok|well|right|alright|let me (?:see|think|check)|let's see|i (?:think|guess)|"
    r"actually)\b[^=\d]*$",
    re.IGNORECASE,
)
# scripts that one text of one language uses together
TOGETHER = {"HIRAGANA": "CJK", "KATAKANA": "CJK"}


class Readability(NamedTuple):
    """The parts of the readability of one answer, each in [0, 1]; 1 is the most readable.

    :ivar one_alphabet: share of the letters of all words that are in the alphabet most of them are in. A word is two letters or
        more, or a character of Chinese or Japanese; tags, code and mathematics do not count.
    :ivar step_a_line: lines of the reasoning over its steps. A step is a sentence or an equation.
    :ivar summary: 1 if the reasoning, or the text after it, ends in a line that sums up, and names the answer if there is one.
    :ivar no_repetition: share of the steps, or if it is less of the passages of eight words, that are not repeated.
    :ivar concise: share of the steps that say something, times the allowed length over the length of a longer answer.
    """

    one_alphabet: float
    step_a_line: float
    summary: float
    no_repetition: float
    concise: float

    @property
    def score(self) -> float:
        """The mean of the parts."""
        return sum(self) / len(self)


NOTHING = Readability(0.0, 0.0, 0.0, 0.0, 0.0)


def readability(text: str, longest: int = LONGEST) -> Readability:
    """Measure the readability of an answer; an answer without text has none.

    :param text: with or without ``<think>`` and ``<answer>``; without them, all of it is read as reasoning.
    :param longest: characters that an answer may have before its length counts against it.
    """
    if not TAG.sub("", text).strip():
        return NOTHING
    thoughts = THOUGHTS.search(text)
    after = ANSWER.sub("", text[thoughts.end() :] if thoughts else text)
    reasoning = _lines(thoughts[1] if thoughts else after)
    closing = _lines(after) or reasoning
    steps = [step for line in reasoning for step in split_steps(line)]
    return Readability(
        _one_alphabet(text),
        len(reasoning) / len(steps) if steps else 1.0,
        float(_is_summary(closing, ANSWER.search(text))),
        _distinct(steps, text),
        _concise(steps, text, longest),
    )


def split_steps(line: str) -> list[str]:
    """Split a line of reasoning into its steps: equations that commas separate, or sentences; at least one.

    ``12+7=19,19+30=49`` has two steps, ``1,000+5=1,005`` one, since only one of its parts has an equals sign.
    """
    sentences = [part.strip() for part in ENDS.split(line) if part.strip()]
    steps = []
    for sentence in sentences:
        parts = [part.strip() for part in EQUATIONS.split(sentence) if part.strip()]
        equations = [part for part in parts if "=" in part]
        steps += parts if len(equations) == len(parts) > 1 else [sentence]
    return steps or [line]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in TAG.sub("\n", text).splitlines() if line.strip()]


def _one_alphabet(text: str) -> float:
    if text.isascii():
        return 1.0
    counts: Counter[str] = Counter()
    for word in LETTERS.findall(OUTSIDE_LANGUAGE.sub(" ", text)):
        scripts = Counter(map(_script, filter(str.isalpha, word)))
        counts.update({script: n for script, n in scripts.items() if n > 1 or script == "CJK" or len(scripts) > 1})
    return max(counts.values()) / counts.total() if counts else 1.0


@cache
def _script(letter: str) -> str:
    """Return the script of a letter: the first word of its name in Unicode."""
    name = unicodedata.name(letter, "OTHER").partition(" ")[0].partition("-")[0]
    return TOGETHER.get(name, name)


def _is_summary(lines: list[str], answer: re.Match[str] | None) -> bool:
    if not lines or not SUMMARY.match(lines[-1]):
        return False
    return answer is None or answer[1].strip() in lines[-1]


def _distinct(steps: list[str], text: str) -> float:
    shares = [len(set(steps)) / len(steps)] if steps else [1.0]
    tokens = TOKENS.findall(TAG.sub(" ", text))
    passages = list(zip(*(tokens[i:] for i in range(NGRAM)), strict=False))
    return min([*shares, len(set(passages)) / len(passages)] if passages else shares)


def _concise(steps: list[str], text: str, longest: int) -> float:
    said = sum(FILLER.match(step) is None for step in steps) / len(steps) if steps else 1.0
    return said * min(1.0, longest / len(text))
