"""Fenced blocks of Markdown, also if they are indented in a list, quoted, or nested in a longer fence."""

from __future__ import annotations

import re
from collections.abc import Iterator

QUOTES = r"(?P<quotes>(?:[ \t]*>)*)"
MARKS = r"(?P<marks>[ \t]*(?:(?:[-*+]|\d+[.)])[ \t]+)*)"  # of the items of a list
FENCE = re.compile(rf"{QUOTES}{MARKS}(?P<fence>`{{3,}}|~{{3,}})(?P<info>[^`]*)")
INLINE = re.compile(
    r"(?P<quotes>)(?P<marks>).*[^`\s][ \t]*(?P<fence>`{3,})(?P<info>[\w+#]+)\s*"
)  # a fence at the end of a line of text
LABEL = re.compile(r"\s*[{.]*\w[^\s]*(?:\s.*[={].*)?\s*")  # a language and its attributes, unlike text after a block
NAME = re.compile(r"[\s{.]*([\w+#-]*)")  # of the language: python, {.python}, python title="a.py"
NAMES = {
    "": "|code|text|txt|plain|plaintext",
    "python": "python[23]?|py3?|pypy3?",
    "cpp": r"cpp|c\+\+",
    "javascript": "javascript|js",
}  # spellings of a language
NESTED = 4  # columns; a fence that is indented this much deeper than that of its block is content


def find_blocks(text: str, language: str = "") -> list[str]:
    """Return the fenced blocks of a language, in order; without a language, the blocks that name none.

    Blocks that are not closed, and empty ones, are left out.
    """
    name = re.compile(NAMES.get(language, re.escape(language)), re.IGNORECASE)
    return [block for named, block in iterate_blocks(text) if name.fullmatch(named)]


def iterate_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the text of every fenced block, without its indentation."""
    begun: re.Match[str] | None = None
    content: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        fence = FENCE.fullmatch(line)
        if begun is None:
            begun, content = fence or INLINE.fullmatch(line), []
        elif fence is None or not _may_end(fence, begun):
            content.append(_unquote(line, begun["quotes"].count(">")))
        elif LABEL.fullmatch(fence["info"]):  # another block begins: this one was never closed
            begun, content = fence, []
        else:
            yield from _close_block(begun["info"], "\n".join(content))
            begun = None


def _may_end(fence: re.Match[str], begun: re.Match[str]) -> bool:
    """Tell whether a fence may close a block: it is as long, of the same character, and not content of the block."""
    if not fence["fence"].startswith(begun["fence"]) or fence["quotes"].count(">") > begun["quotes"].count(">"):
        return False
    if fence["marks"].strip() and not LABEL.fullmatch(fence["info"]):
        return False
    return _columns(fence["marks"]) - _columns(begun["marks"]) < NESTED


def _columns(space: str) -> int:
    return len(space.expandtabs(NESTED))


def _unquote(line: str, quotes: int) -> str:
    return re.sub(rf"^(?:[ \t]*>){{1,{quotes}}}", "", line) if quotes else line


def _close_block(info: str, content: str) -> Iterator[tuple[str, str]]:
    name = NAME.match(info)
    language = name[1] if name else ""
    if language.lower() in ("markdown", "md"):
        yield from iterate_blocks(content)
    elif content.strip():
        yield language, outdent(f"{content}\n")


def outdent(text: str) -> str:
    """Remove the indentation of the first line from all lines, and from less indented lines what they have."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip())]
    return "\n".join(line.removeprefix(margin) if line.startswith(margin) else line.lstrip(" \t") for line in lines)
