"""Verdicts on answers to multiple choice, by the letter that an answer gives.

A letter is in a box, stated as the answer in one of the forms that models use (:mod:`openr1.rewards.letters`), or alone or
first in the text. The last stated letter counts. Several in one list are no answer, since all letters at once would always be
right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from openr1.rewards import letters
from openr1.rewards.base import Sample, Verdict
from openr1.rewards.letters import CLOSE, OPEN
from openr1.rewards.parsing import extract_conclusion, find_boxes, joins_list
from openr1.rewards.plain_text import to_plain_text

BOXED = "boxed letter"
NEAR = 300  # characters before a statement in which its sentence begins
FAR = 2000  # characters after a statement in which a list of options may continue


class Statement(NamedTuple):
    """A place in a text that gives letters as the answer.

    :ivar correct: the letters are said to be correct, which is weaker than to be the answer: several options may be correct.
    """

    start: int
    end: int
    letters: frozenset[str]
    step: str
    correct: bool = False


def judge_choice(sample: Sample) -> Verdict:
    """Compare a sample's letter with the gold letter. If the gold answer has no letter, there is no verdict."""
    gold = read_letter(sample.problem.answer)
    if gold is None:
        return Verdict(step="the gold answer has no letter")
    text = extract_conclusion(sample.completion)
    if text is None:
        return Verdict(False, gold=gold, step="no conclusion")
    chosen, step = read_letters(text)
    if len(chosen) != 1:
        return Verdict(False, gold=gold, step=f"several letters: {', '.join(chosen)}" if chosen else "no letter")
    return Verdict(chosen == [gold], gold=gold, answer=chosen[0], step=step)


def read_letter(text: str) -> str | None:
    """Return the letter of a conclusion; None if it has none, or several at once."""
    chosen, _ = read_letters(text)
    return chosen[0] if len(chosen) == 1 else None


def read_letters(text: str) -> tuple[list[str], str]:
    """Return the letters with which a conclusion ends, and how it gives them."""
    text = _mark_boxes(text)
    statements = sorted(_find_statements(text), key=lambda statement: statement.end)
    if not statements:
        first = letters.FIRST.match(text)
        if first and _is_retracted(text, first.end()):
            return [], "the letter is retracted"
        return sorted(_read_first(text)), "letter at the beginning"
    last = statements.pop()
    if _is_retracted(text, last.end):
        return [], "the letter is retracted"
    chosen, start = last.letters, last.start
    if other := letters.OTHER.match(text, last.end):
        chosen |= _to_letters(other["letters"])
    while statements and _continues_list(statements[-1], text[statements[-1].end : start]):
        statement = statements.pop()
        if statement.correct <= last.correct:
            chosen |= statement.letters
        start = min(start, statement.start)
    return sorted(chosen), last.step


def _is_retracted(text: str, end: int) -> bool:
    """Tell whether the text after a letter says that it is wrong, or retracts it."""
    return bool(letters.REFUTED.match(text, end) or letters.RECALLED.match(text, end))


def _mark_boxes(text: str) -> str:
    """Return the plain text with marks around the contents of boxes."""
    parts, place = [], 0
    for start, end, content in find_boxes(text):
        parts += [to_plain_text(text[place:start]), f"{OPEN}{to_plain_text(content)}{CLOSE}"]
        place = end
    return "".join([*parts, to_plain_text(text[place:])])


def _find_statements(text: str) -> Iterator[Statement]:
    """Yield all places that give letters as the answer, boxes last."""
    for correct, forms in ((False, letters.ANSWERED), (True, letters.AFFIRMED)):
        step = "stated as correct" if correct else "stated as the answer"
        for form in forms:
            for match in form.finditer(text):
                if not _is_denied(text[max(0, match.start() - NEAR) : match.start()]):
                    after = text[match.end() : match.end() + FAR]
                    chosen = _to_letters(match["letters"]) | _read_list(after, match["letters"])
                    yield Statement(match.start(), match.end(), chosen, step, correct)
    for box in letters.BOXED.finditer(text):
        if chosen := _read_box(box[1]):
            yield Statement(box.start(), box.end(), chosen, BOXED)


def _is_denied(before: str) -> bool:
    """Tell whether the text before a statement denies it."""
    sentence = letters.SENTENCE.split(before)[-1]
    clause = letters.CLAUSE.split(sentence)[-1]
    return bool(letters.DENIED.search(clause) or letters.SUPPOSED.search(sentence) or letters.FORMER.search(clause))


def _read_box(content: str) -> frozenset[str]:
    """Return the letters in a box: alone, with a text, or in a sentence."""
    if whole := letters.WHOLE.fullmatch(content):
        return _to_letters(whole["letters"])
    return _read_first(content) or frozenset().union(*(statement.letters for statement in _find_statements(content)))


def _read_first(text: str) -> frozenset[str]:
    """Return the letter with which a text begins, and those that begin further options."""
    match = letters.FIRST.match(text)
    if match is None:
        return frozenset()
    after = text[match.end() :]
    return _to_letters(match["letters"]) | _find_options(after) | _find_next(after, match["letters"])


def _read_list(after: str, first: str) -> frozenset[str]:
    """Return the letters of the options that follow the first one, on its line and on the next lines."""
    lines = after.split("\n")
    listed = [lines[0]]
    for line in lines[1:]:
        if not _find_options(line):
            break
        listed.append(line)
    return _find_options("\n".join(listed)) | _find_next(lines[0], first)


def _find_options(text: str) -> frozenset[str]:
    """Return the letters that begin an option."""
    return frozenset("".join(groups).upper() for groups in letters.LISTED.findall(letters.REMARK.sub("", text)))


def _find_next(text: str, first: str) -> frozenset[str]:
    """Return the letter after ``first`` if a full stop follows it; any other letter would be the end of a sentence."""
    after = chr(ord(max(_to_letters(first))) + 1)
    return frozenset(after if re.search(rf"\s{re.escape(after)}[.:]\s", text) else "")


def _to_letters(text: str) -> frozenset[str]:
    return frozenset(letters.ALONE.findall(text.upper()))


def _continues_list(statement: Statement, between: str) -> bool:
    """Tell whether the next statement continues a list.

    Only words of a list stand between the two, or the end of a sentence that retracts nothing.
    """
    end = re.match("" if statement.step == BOXED else r"[.,;:)]?[^.!?。\n]*", between)
    clause = end[0] if end else ""
    return not letters.WITHDRAWN.search(clause) and joins_list(letters.FILLER.sub(" ", between[len(clause) :]))
