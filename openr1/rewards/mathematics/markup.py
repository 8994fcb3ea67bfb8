"""Normal form of the characters and the markup of an answer: Unicode, Markdown, and LaTeX's spacing, fonts and synonyms.

The meaning of an answer does not change; :mod:`openr1.rewards.mathematics.reader` reads the result.
"""

from __future__ import annotations

import re
import unicodedata

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", "0123456789+-()ni", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ", "0123456789+-()n", strict=True))
SYMBOLS = {
    **dict.fromkeys("−–—‒―﹣－⁻", "-"),
    **dict.fromkeys("×✕✖⨯", r" \times "),
    **dict.fromkeys("·⋅∙•∗＊", r" \cdot "),
    **dict.fromkeys("÷∕⁄／", "/"),
    **dict.fromkeys("≤⩽≦", r" \le "),
    **dict.fromkeys("≥⩾≧", r" \ge "),
    **dict.fromkeys("‘’‛′", "'"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("。．", "."),
    **dict.fromkeys("、", ","),
    **dict.fromkeys("⟨〈", r"\langle "),
    **dict.fromkeys("⟩〉", r"\rangle "),
    "≠": r" \neq ",
    "≈": r" \approx ",
    "≅": r" \approx ",
    "±": r" \pm ",
    "∓": r" \mp ",
    "π": r" \pi ",
    "∞": r" \infty ",
    "∪": r" \cup ",
    "∩": r" \cap ",
    "∖": r" \setminus ",
    "∅": r" \emptyset ",
    "∈": r" \in ",
    "∉": r" \notin ",
    "°": r"^\circ ",
    "º": r"^\circ ",
    "℃": r"^\circ C",
    "℉": r"^\circ F",
    "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}",
    "ℂ": r"\mathbb{C}",
    "∑": r"\sum ",
    "∏": r"\prod ",
    "∫": r"\int ",
    "⌊": r"\lfloor ",
    "⌋": r"\rfloor ",
    "⌈": r"\lceil ",
    "⌉": r"\rceil ",
    "∠": r"\angle ",
    "…": "...",
    "⋯": "...",
    "％": "%",
    "或": " or ",
    "和": " and ",
}
GREEK = {letter: rf" \{name} " for letter, name in zip("αβγδεθλμνρσφωΔΩ", (
    "alpha", "beta", "gamma", "delta", "epsilon", "theta", "lambda", "mu", "nu", "rho", "sigma", "phi", "omega", "Delta",
    "Omega",
), strict=True)}  # fmt: skip
REPLACED = str.maketrans(SYMBOLS | GREEK)
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe0e\ufe0f\ufeff]")
RAISED, LOWERED = (re.compile(f"[{''.join(marks)}]+") for marks in (SUPERSCRIPTS, SUBSCRIPTS))
ROOTS = {"√": r"\sqrt", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]"}

WRAPPERS = ("$$", "$", "`", "**", "__", "*", "_", '"')  # may stand around a whole answer, the same on both sides
PAIRS = (("\\(", "\\)"), ("\\[", "\\]"))
DISPLAY = re.compile(
    r"\\begin\{(equation|align|aligned|gather|gathered|split|multline|cases)(\*?)\}(?:\{[^{}]*\})?(.*)\\end\{\1\2\}", re.DOTALL
)
QED = re.compile(r"(?:\\(?:blacksquare|square|qed|checkmark)(?![A-Za-z])|[■□∎✓✔✅])\s*$")
SIZE = re.compile(r"\\(?:large|Large|LARGE|huge|Huge|small|normalsize|tiny|bf|bold)(?![A-Za-z])")
DOLLAR = re.compile(r"(?<!\\)\$")
BOLD = re.compile(r"(?<![\w*)}\]])(\*\*|__)(?=\S)(.+?)(?<=\S)\1(?![\w*({\[])", re.DOTALL)
HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE)
TAG = re.compile(r"</?(?:b|i|u|em|strong|span|div|p|center|br)\s*/?>", re.IGNORECASE)
COLOUR = re.compile(r"\\(?:text)?color\s*\{[^{}]*\}|\\underline(?![A-Za-z])")
BULLET = re.compile(r"^[ \t]*(?:[-*+•][ \t]+|>[ \t]*)", re.MULTILINE)

FONTS = (
    r"text|mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|textbf|textit|textrm|textnormal|textsf|texttt|textup|emph|mbox|hbox"
)
FONT = re.compile(rf"\\(?:{FONTS}|boldsymbol|bm|operatorname\*?|pmb)\s*\{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}")
OLD_FONT = re.compile(r"\{\s*\\(?:rm|bf|it|sf|tt)\s+([^{}]*)\}|\\(?:rm|bf|it|sf|tt)(?![A-Za-z])")
DELIMITER = re.compile(
    r"\\(?:left|right|middle|[bB]igg?[lrm]?)\s*(?:\.|(?=\\?[()\[\]{}|<>/.])|(?=\\[lr](?:angle|brace|brack|vert|floor|ceil)))"
)
QUAD = re.compile(r"\\q?quad(?![A-Za-z])")
ROW = re.compile(r"\\\\(?:\[[^\[\]]*\])?|\n+")  # end of a line
SPACE = re.compile(
    r"(?<!\\)\\(?:[,;:> ]|q?quad(?![A-Za-z])|(?:thin|med|thick|en)space(?![A-Za-z])|hspace\*?\{[^{}]*\}|hfill)|(?<!\\)~"
)
NOTHING = re.compile(
    r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|nonumber|notag)(?![A-Za-z])|\\(?:label|tag)\*?\{[^{}]*\}|\\!\s*"
)
DOUBLED = re.compile(r"\\\\(?=[A-Za-z]{2})")
SYNONYMS = [
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(?:leq|leqslant|leqq)(?![A-Za-z])", r"\\le "),
        (r"\\(?:geq|geqslant|geqq)(?![A-Za-z])", r"\\ge "),
        (r"\\(?:ne|not\s*=)(?![A-Za-z])", r"\\neq "),
        (r"\\(?:ast|cdotp|bullet)(?![A-Za-z])", r"\\cdot "),
        (r"\\div(?![A-Za-z])", "/"),
        (r"\\(?:lbrace)(?![A-Za-z])", r"\\{"),
        (r"\\(?:rbrace)(?![A-Za-z])", r"\\}"),
        (r"\\(?:lbrack)(?![A-Za-z])", "["),
        (r"\\(?:rbrack)(?![A-Za-z])", "]"),
        (r"\\(?:[lr]?vert)(?![A-Za-z])", "|"),
        (r"\\(?:ldots|cdots|dots|dotsc|dotsb)(?![A-Za-z])", "..."),
        (r"\\(?:colon)(?![A-Za-z])|\{:\}", ":"),
        (r"\\(?:degree|textdegree)(?![A-Za-z])", r"^\\circ "),
        (r"\^\s*\{\s*\\circ\s*\}", r"^\\circ "),
        (r"\\(?:infin)(?![A-Za-z])", r"\\infty "),
        (r"\\(?:varnothing)(?![A-Za-z])", r"\\emptyset "),
        (r"\\(?:bar|overbar)(?=\s*\{?\d)", r"\\overline"),
        (r"\\([%#&_])", r"\1"),
        (r"\{,\}|,\\!|\\mathord\{,\}", ","),
        (r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}", r"\\frac{\1}{\2}"),
        (r"\\(?:approxeq|simeq|doteq)(?![A-Za-z])", r"\\approx "),
        (r"\\(?:i|j)math(?![A-Za-z])", "i"),
        (r"\\(?:lg)(?![A-Za-z])", r"\\log "),
    )
]
LETTERS = re.compile(r"[^\W\d_]")


def normalise(text: str) -> str:
    """Return the normal form of an answer. Equal answers that differ only in markup become equal texts."""
    text = _normalise_latex(normalise_characters(strip_markdown(QED.sub("", text)))).rstrip().rstrip("\\").strip()
    previous = None
    while text != previous:
        previous, text = text, _unwrap(text)
    return " ".join(_join_rows(text).split())


def _join_rows(text: str) -> str:
    """Join the lines of equations to a list; a line that continues the previous one becomes part of it."""
    if "\\begin" in text or not ("=" in text or "\\\\" in text):
        return text
    joined = ""
    for row in filter(None, (row.replace("&", " ").strip() for row in ROW.split(text))):
        continues = (
            not joined or row.startswith(("=", "+", "-", "\\approx", "\\cdot", "\\times")) or joined.endswith(("=", "+", "-"))
        )
        joined += (" " if continues else " ; ") + row
    return joined.strip()


def normalise_characters(text: str) -> str:
    """Write mathematics in ASCII and LaTeX: full-width digits, superscripts, ½, √, − and the like."""
    text = INVISIBLE.sub("", text)
    if text.isascii():
        return text
    text = RAISED.sub(lambda run: "^{" + "".join(SUPERSCRIPTS[mark] for mark in run[0]) + "}", text)
    text = LOWERED.sub(lambda run: "_{" + "".join(SUBSCRIPTS[mark] for mark in run[0]) + "}", text)
    text = "".join(_normalise_character(mark) if ord(mark) > 127 else mark for mark in text)
    for root, command in ROOTS.items():
        escaped = command.replace("\\", r"\\")
        text = re.sub(rf"{root}\s*(\d+(?:\.\d+)?|\\[a-z]+|[A-Za-z])", escaped + r"{\1}", text)
        text = re.sub(rf"{root}\s*(?=[({{])", escaped, text)
    return unicodedata.normalize("NFC", text)


def _normalise_character(mark: str) -> str:
    replaced = mark.translate(REPLACED)
    if replaced != mark or mark in ROOTS:
        return replaced
    written = unicodedata.normalize("NFKC", mark)
    if "\u2044" in written:  # a fraction in one character
        above, below = written.split("\u2044")
        return rf"\frac{{{above}}}{{{below}}}"
    digit = unicodedata.decimal(written, None) if len(written) == 1 else None
    return str(digit) if digit is not None else written.translate(REPLACED)


def strip_markdown(text: str) -> str:
    """Remove the marks of headings, lists, quotes and bold type."""
    text = TAG.sub("", HEADING.sub("", text))
    if "\n" in text.strip():  # in a single line, the mark of a list or quote may be a sign
        text = BULLET.sub("", text)
    return BOLD.sub(r"\2", text)


def _normalise_latex(text: str) -> str:
    if "\\" not in text and "{" not in text and "~" not in text:
        return text
    if "\\begin" not in text:
        text = DOUBLED.sub(r"\\", text)
    text = NOTHING.sub(lambda command: "" if command[0].startswith("\\!") else " ", text)
    text = SIZE.sub("", COLOUR.sub("", DELIMITER.sub("", text)))
    for pattern, to in SYNONYMS:
        text = pattern.sub(to, text)
    text = SPACE.sub(" ", QUAD.sub(" ; ", text) if text.count("=") > 1 else text)
    text = OLD_FONT.sub(r"\\text{\1}", text).replace(r"\text{}", "")
    text = FONT.sub(_mark_text, text)
    return _brace_arguments(text)


def _mark_text(font: re.Match) -> str:
    """Mark several letters as text, since they are not a product; leave one letter or a number as it is."""
    content = font[1]
    return rf"\text{{{content}}}" if len(LETTERS.findall(content)) > 1 else content


def _brace_arguments(text: str) -> str:
    r"""Write ``\frac12`` as ``\frac{1}{2}`` and ``\sqrt 2`` as ``\sqrt{2}``."""
    token = r"(\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}|\\[A-Za-z]+|[^\s{}()\[\]\\])"
    text = re.sub(rf"\\frac\s*{token}\s*{token}", lambda f: rf"\frac{_brace(f[1])}{_brace(f[2])}", text)
    return re.sub(rf"\\sqrt\s*(\[[^\[\]]*\])?\s*{token}", lambda f: rf"\sqrt{f[1] or ''}{_brace(f[2])}", text)


def _brace(token: str) -> str:
    return token if token.startswith("{") else f"{{{token}}}"


def _unwrap(text: str) -> str:
    """Remove what surrounds the whole text: dollars, Markdown, ``\\boxed{}``, braces, a full stop."""
    text = text.strip()
    if text.endswith((".", ",", ";")) and not text.endswith("..") and len(text) > 1:
        return text[:-1]
    for mark in WRAPPERS:
        inner = text[len(mark) : -len(mark)]
        if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark) and mark not in inner:
            return inner
    for opening, closing in PAIRS:
        if text.startswith(opening) and text.endswith(closing) and opening not in text[2:]:
            return text[len(opening) : -len(closing)]
    if (dollars := DOLLAR.findall(text)) and len(dollars) % 2 == 0 and not text.startswith("\\$"):
        return DOLLAR.sub("", text)
    if text.startswith("{") and find_closing(text, 0) == len(text) - 1 and not _is_list(text[1:-1]):
        return text[1:-1]
    if display := DISPLAY.fullmatch(text):
        return display[3]
    for command in ("\\boxed", "\\fbox", "\\ensuremath"):
        if text.startswith(command + "{") and find_closing(text, len(command)) == len(text) - 1:
            return text[len(command) + 1 : -1]
    return text


def _is_list(text: str) -> bool:
    return ("," in text and "\\" not in text) or "\\emptyset" in text


def find_closing(text: str, start: int) -> int:
    """Return the place of the brace, bracket or parenthesis that closes the one at ``start``; -1 if none does.

    Kinds may be mixed, as in a half-open interval: only the depth counts. Escaped braces are brackets too.
    """
    depth, place = 0, start
    while place < len(text):
        mark = text[place]
        if mark == "\\" and text[place : place + 2] not in ("\\{", "\\}"):
            place += 1 if text[place + 1 : place + 2].isalpha() else 2
            continue
        if mark == "\\":
            place += 1
            mark = text[place]
        if mark in "([{":
            depth += 1
        elif mark in ")]}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    return -1
