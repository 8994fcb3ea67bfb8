"""Plain text from Markdown, HTML and LaTeX, for verdicts that read words rather than formulas."""

from __future__ import annotations

import re
import unicodedata

FONT = re.compile(  # commands that change the look of what they hold
    r"\\(?:text|math)(?:bf|it|md|normal|rm|sf|tt|up|bb|cal|frak|scr)?(?![A-Za-z])"
    r"|\\(?:bf|rm|bm|bfseries|boldsymbol|emph|underline|mbox|hbox|large|Large|huge|Huge|displaystyle|left|right|big|Big)(?![A-Za-z])"
)
SPACE = re.compile(r"\\(?:quad|qquad)(?![A-Za-z])|\\[ ,;:!]|\\\\|~|&nbsp;")
SIGN = re.compile(  # of mathematics, Markdown and HTML; invisible characters; pictures
    r"\\[()\[\]{}]|\\(?:text)?color\{\w*\}|[$*`{}\u200b-\u200f\ufe0f\ufeff]|__|(?<![^\W_])_|_(?![^\W_])"
    r"|</?(?:answer|b|br|code|div|em|font|h\d|i|li|ol|p|s|span|strong|sub|sup|u|ul)\b[^<>\n]{0,40}>"
    r"|^[ \t]*(?:#+|>)[ \t]*|[\u2600-\u27bf\U0001f300-\U0001faff]",
    re.MULTILINE,
)
STRUCK_OUT = re.compile(r"~~[^~\n]*~~|\\(?:sout|cancel|st)\{[^{}]*\}")
REFUTED = re.compile("[\u2717\u2718\u274c\u274e]")  # crosses
EMPTY = re.compile(r"\n{3,}")


def to_plain_text(text: str) -> str:
    """Remove marks, fonts and runs of spaces; turn full-width, circled and mathematical letters into plain ones.

    Any other command stays, so that its content is not mistaken for a word.
    """
    text = REFUTED.sub(" wrong ", STRUCK_OUT.sub(" ", unicodedata.normalize("NFKC", text).replace("\u2019", "'")))
    for pattern, instead in ((SPACE, " "), (FONT, ""), (SIGN, "")):
        text = pattern.sub(instead, text)
    return EMPTY.sub("\n\n", "\n".join(" ".join(line.split()) for line in text.split("\n")))
