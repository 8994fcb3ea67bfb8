"""The verdict on an answer to a multiple choice: which letter it gives.

A letter is in a box, said to be the answer in one of the ways in which models say it (:mod:`openr1.rewards.letters`), or stands
alone or first. The last one that is said counts; several in one list are no answer, since every letter at once would always be
right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from openr1.rewards import letters
from openr1.rewards.base import Sample, Verdict
from openr1.rewards.letters import CLOSE, OPEN
from openr1.rewards.parsing import boxes, conclusion, joint
from openr1.rewards.plain_text import plain

BOXED = "boxed letter"
NEAR = 300  # characters before it in which the sentence of a statement begins
FAR = 2000  # characters after it in which a list of options may go on


class Said(NamedTuple):
    """Letters that one place gives as the answer.

    :ivar correct: they are said to be correct, which is less than to be the answer: of some questions several are.
    """

    start: int
    end: int
    letters: frozenset[str]
    step: str
    correct: bool = False


def check(sample: Sample) -> Verdict:
    """Compare the letter that a sample gives with the gold letter; no verdict where the gold answer is no letter."""
    gold = letter(sample.problem.answer)
    if gold is None:
        return Verdict(step="gold answer is no letter")
    text = conclusion(sample.completion)
    if text is None:
        return Verdict(False, gold=gold, step="no conclusion")
    found, step = read(text)
    if len(found) != 1:
        return Verdict(False, gold=gold, step=f"several letters: {', '.join(found)}" if found else "no letter")
    return Verdict(found == [gold], gold=gold, answer=found[0], step=step)


def letter(text: str) -> str | None:
    """The letter that a conclusion gives; None where it gives none, or several at once."""
    found, _ = read(text)
    return found[0] if len(found) == 1 else None


def read(text: str) -> tuple[list[str], str]:
    """The letters that a conclusion ends with, and where they stand."""
    text = _with_boxes(text)
    said = sorted(_said(text), key=lambda one: one.end)
    if not said:
        first = letters.FIRST.match(text)
        if first and (letters.REFUTED.match(text, first.end()) or letters.RECALLED.match(text, first.end())):
            return [], "the letter is taken back"
        return sorted(_first(text)), "letter that stands first"
    last = said.pop()
    if letters.REFUTED.match(text, last.end) or letters.RECALLED.match(text, last.end):
        return [], "the letter is taken back"
    found, start = last.letters, last.start
    if other := letters.OTHER.match(text, last.end):
        found |= _letters(other["letters"])
    while said and _listed(said[-1], text[said[-1].end : start]):
        one = said.pop()
        if one.correct <= last.correct:
            found |= one.letters
        start = min(start, one.start)
    return sorted(found), last.step


def _with_boxes(text: str) -> str:
    """Plain text in which boxes can still be told."""
    parts, place = [], 0
    for start, end, content in boxes(text):
        parts += [plain(text[place:start]), f"{OPEN}{plain(content)}{CLOSE}"]
        place = end
    return "".join([*parts, plain(text[place:])])


def _said(text: str) -> Iterator[Said]:
    """All places that give letters as the answer; a box after the sentence that it ends."""
    for correct, several in ((False, letters.ANSWERED), (True, letters.AFFIRMED)):
        step = "said to be correct" if correct else "said to be the answer"
        for form in several:
            for match in form.finditer(text):
                if not _denied(text[max(0, match.start() - NEAR) : match.start()]):
                    rest = text[match.end() : match.end() + FAR]
                    found = _letters(match["letters"]) | _continued(rest, match["letters"])
                    yield Said(match.start(), match.end(), found, step, correct)
    for box in letters.BOXED.finditer(text):
        if found := _boxed(box[1]):
            yield Said(box.start(), box.end(), found, BOXED)


def _denied(before: str) -> bool:
    """Tell whether the text before denies what is said next."""
    sentence = letters.SENTENCE.split(before)[-1]
    clause = letters.CLAUSE.split(sentence)[-1]
    return bool(letters.DENIED.search(clause) or letters.SUPPOSED.search(sentence) or letters.FORMER.search(clause))


def _boxed(content: str) -> frozenset[str]:
    """The letters that a box holds: alone, with a text, or in a sentence."""
    if whole := letters.WHOLE.fullmatch(content):
        return _letters(whole["letters"])
    return _first(content) or frozenset().union(*(one.letters for one in _said(content)))


def _first(text: str) -> frozenset[str]:
    """The letter with which a text begins, and any other that begins an option after it."""
    match = letters.FIRST.match(text)
    if match is None:
        return frozenset()
    return _letters(match["letters"]) | _marks(text[match.end() :]) | _next(text[match.end() :], match["letters"])


def _continued(rest: str, letters: str) -> frozenset[str]:
    """The letters of a list of options with their texts, after the first: those of its line and of the lines that follow."""
    lines = rest.split("\n")
    several = [lines[0]]
    for line in lines[1:]:
        if not _marks(line):
            break
        several.append(line)
    return _marks("\n".join(several)) | _next(lines[0], letters)


def _marks(text: str) -> frozenset[str]:
    return frozenset("".join(groups).upper() for groups in letters.LISTED.findall(letters.REMARK.sub("", text)))


def _next(text: str, letters: str) -> frozenset[str]:
    """The letter after the given one where it is set off by a point: of others that would rather be the end of a sentence."""
    after = chr(ord(max(_letters(letters))) + 1)
    return frozenset(after if re.search(rf"\s{re.escape(after)}[.:]\s", text) else "")


def _letters(text: str) -> frozenset[str]:
    return frozenset(letters.ALONE.findall(text.upper()))


def _listed(said: Said, between: str) -> bool:
    """Tell whether what is said next goes on with a list.

    No word but those of a list stands between, or the rest of a sentence that takes nothing back.
    """
    rest = "" if said.step == BOXED else re.match(r"[.,;:)]?[^.!?。\n]*", between)[0]
    return not letters.WITHDRAWN.search(rest) and joint(letters.FILLER.sub(" ", between[len(rest) :]))
