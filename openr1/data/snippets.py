"""Snippets of long texts, for people."""

from __future__ import annotations

HEAD, TAIL = 60, 40  # characters of the beginning and of the end


def snippet(text: str, head: int = HEAD, tail: int = TAIL) -> str:
    """Return the beginning and the end of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= head + tail else f"{line[:head]} … {line[-tail:]}"
