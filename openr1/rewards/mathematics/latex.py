"""Expressions of SymPy from LaTeX and plain notation, by the parser of math-verify, read to the end or not at all.

By itself, that parser stops where it does not understand a text, reads decimals as floating-point numbers, adds adjacent
numbers and drops the base of a number. The expressions of this module have been read to their end, with exact numbers.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from openr1.rewards.mathematics.markup import find_closing

if TYPE_CHECKING:
    from sympy import Basic

LENGTH, DEPTH = 600, 24  # characters and nested brackets of an expression, at most
FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|exp|log|ln"
ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
GREEK = "pi|alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|phi|omega|infty|infinity"
CALLED = re.compile(r"(?<![A-Za-z\\])(sqrt|cbrt|abs|floor|ceil)\s*\(")
WRITTEN = {"sqrt": r"\sqrt{%s}", "cbrt": r"\sqrt[3]{%s}", "abs": "|%s|"}
WRITTEN |= {"floor": r"\lfloor %s\rfloor ", "ceil": r"\lceil %s\rceil "}
ROOT = re.compile(r"\\sqrt\s*\(")
NAMED = re.compile(rf"(?<![A-Za-z\\])(?:({FUNCTIONS})(?![A-Za-z])|({GREEK})(?![A-Za-z]))")
SHORT_WORDS = "is|it|in|of|to|so|we|no|or|an|as|at|be|by|do|he|if|my|on|us"
WORDS = re.compile(rf"(?<![A-Za-z\\])(?:[A-Za-z]{{3,}}|(?:{SHORT_WORDS})(?![A-Za-z]))")
POWERS = re.compile(r"([\^_])\s*(-?\d{2,}|-\d|\((?:[^()]|\([^()]*\))*\))")
SIDE_BY_SIDE = re.compile(r"\d\s+\\?(?:frac\s*\{[^{}]*\}\s*\{[^{}]*\}\s*)?\.?\d|\d\s*\(\s*\d+\s*\)|\)\s*\d")
AMBIGUOUS = re.compile(rf"/\s*\d+\s*(?:[A-Za-z(]|\\(?:sqrt|frac|{FUNCTIONS}|{GREEK}))")  # 1/2x
MISREAD = re.compile(  # the parser drops or changes these: subscripts of numbers, primes, ratios, functions of whole numbers
    r"[\d)\]}]\s*_|(?<![\d.])0[0A-Za-z]|'|:|\^\s*\{?\s*T\b|(?<![A-Za-z\\])I(?![A-Za-z])"
    r"|\\(?:gcd|lcm|mod|bmod|pmod|operatorname|(?:black)?square)(?![A-Za-z])|(?<![A-Za-z\\])[fghFGHPQ]\s*\([^()]*[-+*/^][^()]*\)"
    r"|\\(?:Rightarrow|implies|iff|land|lor|wedge|vee|mapsto|equiv)(?![A-Za-z])|\\\\(?!.*\\end)|&(?!.*\\end)|;"
)
ARROW = re.compile(r"\\(?:to|rightarrow)(?![A-Za-z])")
FAULTS = (WORDS, SIDE_BY_SIDE, AMBIGUOUS)
TRIGONOMETRIC = re.compile(r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
DEGREES = re.compile(r"(\d+(?:\.\d+)?|\\frac\s*\{[^{}]*\}\s*\{[^{}]*\}|[A-Za-z])\s*\^\s*\\circ")
MIXED = re.compile(r"(?<![\d.)}A-Za-z])(\d+)\s*\\frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}")
CHOOSE = re.compile(r"(?<![A-Za-z\\])C\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)|\{\s*(\d+)\s*\\choose\s*(\d+)\s*\}")
THOUSANDS = re.compile(r"(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[a-z*]+\}")


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Basic | None:
    """Parse a text as an expression, unevaluated; None if it is not an expression to its end.

    :param text: as :func:`openr1.rewards.mathematics.markup.normalise` gives it.
    """
    if len(text) > LENGTH or nesting_depth(text) > DEPTH or not text.strip():
        return None
    latex = _degrees_to_radians(to_latex(text))
    unread = ("\\text", "%", "...", "\\circ", "\\pmod")  # the parser drops or misreads these
    if any(mark in latex for mark in unread) or MISREAD.search(latex):
        return None
    if "\\lim" not in latex and ARROW.search(latex):
        return None
    if any(fault.search(ENVIRONMENT.sub("", latex)) for fault in FAULTS):
        return None
    return _parse(MIXED.sub(r"(\1+\\frac{\2}{\3})", latex))


def nesting_depth(text: str) -> int:
    """Return how deeply brackets of any kind are nested."""
    deepest = level = 0
    for mark in text:
        level += (mark in "([{") - (mark in ")]}")
        deepest = max(deepest, level)
    return deepest


def to_latex(text: str) -> str:
    """Convert the notation of programs to LaTeX: ``2**10``, ``sqrt(2)/2``, ``-3*pi``, ``exp(12)``, ``x^10``."""
    text = text.replace("**", "^")
    if not re.search(r"[(\[]|\\\{", text):
        text = THOUSANDS.sub(lambda digits: digits[0].replace(",", ""), text)
    for name, function in ALIASES.items():
        text = re.sub(rf"(?<![A-Za-z\\]){name}(?![A-Za-z])", function, text)
    while (called := CALLED.search(text)) or (called := ROOT.search(text)):
        opening = called.end() - 1
        closing = find_closing(text, opening)
        if closing < 0:
            return text
        inner, name = text[opening + 1 : closing], called[0].strip("\\( ")
        text = text[: called.start()] + WRITTEN[name].replace("%s", inner) + text[closing + 1 :]
    text = NAMED.sub(lambda name: "\\" + name[0].replace("infinity", "infty") + " ", text)
    text = re.sub(r"\\log\s*_?\s*\{?\s*e\s*\}?(?=[\s({])|\\log(?=\s*e(?![A-Za-z]))", r"\\ln ", text)
    text = POWERS.sub(lambda power: f"{power[1]}{{{power[2][1:-1] if power[2].startswith('(') else power[2]}}}", text)
    text = CHOOSE.sub(lambda choice: rf"\binom{{{choice[1] or choice[3]}}}{{{choice[2] or choice[4]}}}", text)
    text = re.sub(r"_\s*(\w)", r"_{\1}", text)
    text = text.replace("*", r" \cdot ")
    return re.sub(r"\\exp\s*\(", r"\\exp(", text)


def _degrees_to_radians(text: str) -> str:
    """Convert angles in degrees within trigonometric functions to radians."""
    if "\\circ" not in text or TRIGONOMETRIC.search(text) is None:
        return text
    return DEGREES.sub(r"{(\1 \\cdot \\frac{\\pi}{180})}", text)


@cache
def _parser_class() -> type:
    """Return math-verify's parser with exact numbers, which keeps the place where it stopped; it imports SymPy."""
    import sympy
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy

    class ExactParser(_Latex2Sympy):  # read from latex2sympy2_extended 1.11
        def create_parser(self, latex_str: str) -> Any:
            self.parser = super().create_parser(latex_str)
            return self.parser

        def parse_number(self, text: str) -> Any:
            return sympy.Rational(text.replace(",", ""))

    return ExactParser


def _parse(latex: str) -> Basic | None:
    from antlr4 import Token
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig
    from sympy import Basic, Derivative, I, Symbol
    from sympy.matrices import MatrixBase

    parser = _parser_class()(is_real=True, config=ConversionConfig(interpret_as_mixed_fractions=False, lowercase_symbols=False))
    try:
        parsed = parser.parse(latex)
        if parser.parser.getCurrentToken().type != Token.EOF or not isinstance(parsed, Basic | MatrixBase):
            return None
        if parsed.has(Derivative):  # the parser reads dy/dx as the derivative of a symbol
            return None
        if isinstance(parsed, MatrixBase):
            return parsed.as_immutable()
        imaginary = Symbol("i", real=True)
        return parsed.subs(imaginary, I) if imaginary in parsed.free_symbols else parsed
    except Exception:  # the parser and its conversions may raise anything
        return None
