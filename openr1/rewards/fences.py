"""Fenced blocks of Markdown, also those that are indented in a list, quoted, or fenced within a longer fence."""

from __future__ import annotations

import re
from collections.abc import Iterator

QUOTES = r"(?P<quotes>(?:[ \t]*>)*)"
MARKS = r"(?P<marks>[ \t]*(?:(?:[-*+]|\d+[.)])[ \t]+)*)"  # of the items of a list
FENCE = re.compile(rf"{QUOTES}{MARKS}(?P<fence>`{{3,}}|~{{3,}})(?P<info>[^`]*)")
SAID = re.compile(r"(?P<quotes>)(?P<marks>).*[^`\s][ \t]*(?P<fence>`{3,})(?P<info>[\w+#]+)\s*")  # it ends a line of text
LABEL = re.compile(r"\s*[{.]*\w[^\s]*(?:\s.*[={].*)?\s*")  # a language and its attributes, not text after the end of a block
NAME = re.compile(r"[\s{.]*([\w+#-]*)")  # of the language: python, {.python}, python title="a.py"
NAMES = {
    "": "|code|text|txt|plain|plaintext",
    "python": "python[23]?|py3?|pypy3?",
    "cpp": r"cpp|c\+\+",
    "javascript": "javascript|js",
}  # how else it is spelled
NESTED = 4  # so many columns deeper than its fence, a line of a block is its content, whatever it says


def fenced(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a language, in order; without one, the blocks that name no language.

    A block that is not closed is cut off, and one without text is empty: neither is there.
    """
    name = re.compile(NAMES.get(language, re.escape(language)), re.IGNORECASE)
    return [block for named, block in blocks(text) if name.fullmatch(named)]


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The language and the text of every fenced block, without the indentation of the whole."""
    begun: re.Match[str] | None = None
    content: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        fence = FENCE.fullmatch(line)
        if begun is None:
            begun, content = fence or SAID.fullmatch(line), []
        elif fence is None or not _may_end(fence, begun):
            content.append(_unquoted(line, begun["quotes"].count(">")))
        elif LABEL.fullmatch(fence["info"]):  # another block begins, so that this one was never closed
            begun, content = fence, []
        else:
            yield from _block(begun["info"], "\n".join(content))
            begun = None


def _may_end(fence: re.Match[str], begun: re.Match[str]) -> bool:
    """Check that a fence may end the block of another: as long, of the same character, not inside of the block."""
    if not fence["fence"].startswith(begun["fence"]) or fence["quotes"].count(">") > begun["quotes"].count(">"):
        return False
    if fence["marks"].strip() and not LABEL.fullmatch(fence["info"]):
        return False
    return _columns(fence["marks"]) - _columns(begun["marks"]) < NESTED


def _columns(space: str) -> int:
    return len(space.expandtabs(NESTED))


def _unquoted(line: str, quotes: int) -> str:
    return re.sub(rf"^(?:[ \t]*>){{1,{quotes}}}", "", line) if quotes else line


def _block(info: str, content: str) -> Iterator[tuple[str, str]]:
    language = NAME.match(info)[1]
    if language.lower() in ("markdown", "md"):
        yield from blocks(content)
    elif content.strip():
        yield language, outdented(f"{content}\n")


def outdented(text: str) -> str:
    """A text as far to the left as its first line allows; what stands further left stays at the margin."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip())]
    return "\n".join(line.removeprefix(margin) if line.startswith(margin) else line.lstrip(" \t") for line in lines)
