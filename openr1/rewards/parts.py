"""The parts of a completion: its thoughts, its answer, its program, by the tags of R1-Zero's template."""

from __future__ import annotations

import re

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
FENCE = re.compile(r"^[ \t]*```[ \t]*([^\s`]*)[^\n`]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
NAMES = {"python": "python3?|py", "cpp": r"cpp|c\+\+", "javascript": "javascript|js"}  # how else a fence spells a language


def tagged(text: str) -> str | None:
    """The text of the one ``<answer>``, stripped; None where there is none or more than one."""
    given = ANSWER.findall(text)
    return given[0].strip() if len(given) == 1 else None


def thoughts(completion: str) -> str:
    """The text before ``</think>``; all of a completion that has no such tag."""
    return completion.partition("</think>")[0].strip().removeprefix("<think>")


def reasoned(completion: str) -> bool:
    """Whether a completion thinks before it answers: thoughts that are not empty, and that end."""
    return "</think>" in completion and bool(thoughts(completion).strip())


def conclusion(completion: str) -> str | None:
    """What is given as the answer: the one ``<answer>`` after the thoughts, or all that follows them where there is none.

    None where the tag is there several times, and where the thoughts never ended: what a thought mentions is no answer.
    """
    _, ended, text = completion.rpartition("</think>")
    if "<answer>" in text:
        return tagged(text)
    return text.strip() if ended or "<think>" not in text else None


def fenced(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a language, in order; without one, the blocks that name no language."""
    name = re.compile(NAMES.get(language, re.escape(language)), re.IGNORECASE)
    return [block for named, block in FENCE.findall(text) if name.fullmatch(named)]


def program(completion: str, language: str = "python") -> str | None:
    """The program that a completion concludes with; None where there is none.

    It is the last fenced block of the language; else the last block of no language; else the whole of a tagged answer.
    """
    text = conclusion(completion)
    if text is None:
        return None
    blocks = fenced(text, language) or fenced(text)
    if blocks:
        return blocks[-1]
    return text if tagged(completion) == text and "```" not in text else None
