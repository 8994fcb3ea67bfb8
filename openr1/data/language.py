"""The share of a text that is in a language, by the script of its words: R1's language consistency (arXiv 2501.12948, 2.3.2).

A script is not a language: English and French share one. The measure detects the defect that R1's authors describe, reasoning
that switches between English and Chinese. It needs no model and gives the same value everywhere.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import regex

LATIN: tuple[str, ...] = ("cs", "de", "en", "es", "fr", "id", "it", "nl", "pl", "pt", "ro", "sv", "tr", "vi")
SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(LATIN, ("Latin",)),
    **dict.fromkeys(("bg", "ru", "sr", "uk"), ("Cyrillic",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("Arabic",)),
    **dict.fromkeys(("hi", "mr", "ne"), ("Devanagari",)),
    "bn": ("Bengali",),
    "el": ("Greek",),
    "he": ("Hebrew",),
    "ja": ("Han", "Hiragana", "Katakana"),
    "km": ("Khmer",),
    "ko": ("Hangul",),
    "lo": ("Lao",),
    "my": ("Myanmar",),
    "ta": ("Tamil",),
    "th": ("Thai",),
    "zh": ("Han",),
}
# scripts written without spaces, in which every character is a word: those of class ID or SA in Unicode's line breaking
DENSE: tuple[str, ...] = ("Han", "Hiragana", "Katakana", "Bopomofo", "Yi", "Thai", "Lao", "Khmer", "Myanmar")
DENSE += ("Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet")
# tags, code and mathematics belong to no language
NOISE = r"</?\w+>|```.*?(?:```|\Z)|\$\$.*?\$\$|\$[^$\n]*\$|\\\(.*?\\\)|\\\[.*?\\\]|\\[A-Za-z]+"


def share(text: str, language: str) -> float | None:
    """Return the share of the words of ``text`` that are in the script of ``language``; None if it has no words.

    A word is two or more letters of one script, so that symbols such as π do not count, or one character of a script that is
    written without spaces. Tags, fenced code and LaTeX are left out.
    """
    noise, words, wanted = _patterns(SCRIPTS[language])
    text = noise.sub(" ", text)
    if text.isascii():  # a shortcut for most texts, since counting is slow
        return float("Latin" in SCRIPTS[language]) if words.search(text) else None
    total = len(words.findall(text))
    return len(wanted.findall(text)) / total if total else None


@cache
def _patterns(scripts: tuple[str, ...]) -> tuple[regex.Pattern, regex.Pattern, regex.Pattern]:
    import regex

    known = sorted({script for group in SCRIPTS.values() for script in group})
    # letters of scripts that none of these languages uses form words too
    others = "".join(rf"\p{{{script}}}" for script in known)
    every = [*map(_word, known), rf"(?:[\p{{L}}--[{others}]]\p{{M}}*){{2,}}"]
    noise = regex.compile(NOISE, regex.DOTALL)
    return noise, regex.compile("|".join(every), regex.V1), regex.compile("|".join(map(_word, scripts)), regex.V1)


def _word(script: str) -> str:
    return rf"\p{{{script}}}\p{{M}}*" if script in DENSE else rf"(?:\p{{{script}}}\p{{M}}*){{2,}}"
