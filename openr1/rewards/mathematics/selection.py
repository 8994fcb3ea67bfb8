"""The part of a conclusion that is the answer: a box, what is said to be the answer, or the end of the last sentence."""

from __future__ import annotations

import re

from openr1.rewards.mathematics.markup import characters, markdown
from openr1.rewards.parsing import boxes, last_boxes

HASHES = re.compile(r"^[ \t]*####[ \t]*(.+?)[ \t]*$", re.MULTILINE)  # of GSM8K
SAID = re.compile(
    r"(?:\b(?:final\s+|correct\s+|right\s+|my\s+)?(?:answer|result|solution)s?\b(?:\s+(?:to|of|for)\s[^.\n:=]{0,80}?)?"
    r"[*_`]{0,3}\s*(?:(?:is|are|was|will be|would be|should be|becomes|must be|equals)\b\s*:?|[:=：]|\s-\s)"
    r"|答案\s*[是为：:]+)[*_`]{0,3}\s*",
    re.IGNORECASE,
)
OPENED = re.compile(r"\\(?:boxed|fbox)\s*\{")
HEADED = re.compile(r"^[#*_\s]*(?:the )?(?:final )?answer[*_:\s]*\n+", re.IGNORECASE | re.MULTILINE)
MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$\n]+?)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
SENTENCE = re.compile(r"(?<=[.!?。])\s+(?=[A-Z\\$*(\u4e00-\u9fff])|\n+")
GLUE = re.compile(r"[\s,;.*_`]*(?:and|or)?[\s,;.*_`]*", re.IGNORECASE)
RUN = re.compile(r"(?<![\w.])(?:US\$|\\?\$|[€£¥])?[-+]?[(\[]?[\d.](?:[\d.,/^*+=()×÷−–$-]| (?=[\d+=/*×÷−–$-]))*(?<![,.\s])%?")
CAUSE = re.compile(r",? (?:because|since|as|which|so|where|when|if|for which|in total|hence|thus)\b|[;\n]|\. |, (?=[a-z]{3,})")
DENIED = re.compile(
    r"\b(?:not|never|neither|nor|cannot|wrong|incorrect|except|instead|rather|unlikely|impossible|least|most|less|greater|more|"
    r"fewer|larger|smaller|multiple|divisible|times|double|twice|triple|half|third|quarter|fifth|root|squared|cubed|factorial|"
    r"digits?|step|equation|case|problem|question|exercise|assume|suppose|consider|check|let|if|when|for)\b|n['’]t\b",
    re.IGNORECASE,
)
WITHDRAWN = re.compile(r"\W*(?:no|wait|hmm|actually|sorry|correction|oops|but wait)\b", re.IGNORECASE)
NEGATION = re.compile(r"(?:\bnot|n['’]t|\\neq?|≠)(?: equal to| be)?[\s$({\\\[]*$", re.IGNORECASE)
REJECTED = re.compile(r"[\s$)}\\\].]*(?:is|was|would be) (?:not|wrong|incorrect|false)\b", re.IGNORECASE)
GLUED_BEFORE = re.compile(r"(?:[-+*/^<>]|\\(?:times|cdot|pm|sqrt|frac|l[et]|g[et])|\\sqrt\[\d\])\s*$")
BEFORE_BRACE = re.compile(r"\\(?:sqrt|frac|log|ln|sin|cos|tan)\s*(?:\[[^\[\]]*\])?\s*(?:\{[^{}]*\}?)?\s*$|\^\s*$")
GLUED_AFTER = re.compile(
    r"\s*(?:\^|!|\\?%|[*/+]|-\s*(?:\d|\\)|\\(?:pi|sqrt|times|cdot|frac|text|mathrm)(?![a-z])"
    r"|[\s$)\\]*(?:hundred|thousand|[mbtr]+illion)\b)"
)
MAGNITUDE = re.compile(r"[\s$)\\]*(hundred|thousand|[mbtr]+illion)\b")
UNBOX = re.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
CALCULATOR = re.compile(r"<<[^<>\n]*>>")  # annotations of GSM8K
TAIL = 4000  # characters at the end of a conclusion in which an answer without a box is looked for
SHORT = 200  # characters of a text that may be an answer as a whole


def candidates(text: str) -> list[list[str]]:
    """List what may be the answer of a conclusion, the likeliest first; each is a list of texts that are one answer together.

    A box is the answer, and nothing beside it is. Else it is what follows ``####``, or what is said to be the answer; else the
    whole of a short text; else the mathematics, or the one number, of the last sentence. A last sentence with several numbers
    has none.
    """
    if boxed := last_boxes(text):
        around = _around(text)
        return [boxed] if around is None else [[around]] if around else _said(text[text.rfind("\\boxed") :], spoken=True)
    text = text[-TAIL:]
    if OPENED.search(text):  # a box that is empty, or was never closed
        return []
    if hashes := HASHES.findall(text):
        return [[hashes[-1]]]
    text = MATH.sub(lambda formula: formula[0].replace("\n", " "), CALCULATOR.sub("", markdown(text)).strip())
    if said := _said(text):
        return said
    found: list[list[str]] = []
    if len(text) <= SHORT and "\n" not in text:
        found.append([text])
    sentences = [one for one in SENTENCE.split(text) if re.search(r"\w", one)]
    if sentences:
        if len(sentences[-1]) <= SHORT:
            found.append([sentences[-1].strip()])
        found += _mathematics(sentences[-1])
    elif text:
        found.append([text])
    return [one for one in found if all(one)]


def _said(text: str, spoken: bool = False) -> list[list[str]]:
    """Read what is said to be the answer; nothing where it is taken back at once.

    :param spoken: only what is said counts, not what stands under a heading.
    """
    said = [*SAID.finditer(text), *(() if spoken else HEADED.finditer(text))]
    if not said:
        return []
    rest = text[max(one.end() for one in said) :].strip()
    sentence, *after = SENTENCE.split(rest, maxsplit=1)
    if sentence.rstrip("*_ ").endswith("?") or (after and WITHDRAWN.match(after[0])):
        return [[""]]
    found = [[sentence.strip()], [CAUSE.split(sentence, maxsplit=1)[0].strip()], *_mathematics(sentence)]
    return [one for one in found if all(one)] or [[""]]


def _around(text: str) -> str | None:
    """The formula of the last box with what stands around the box in it, where that belongs to the answer: ``-\\boxed{5}``.

    None where nothing does; empty where the box is said not to be the answer.
    """
    start, end, _ = boxes(text)[-1]
    before, after = text[:start].rstrip("{ "), text[end:]
    if NEGATION.search(before) or REJECTED.match(after):
        return ""
    in_argument = text[:start].endswith("{") and BEFORE_BRACE.search(before) is not None
    if not (in_argument or GLUED_BEFORE.search(before) or GLUED_AFTER.match(after)):
        return None
    formulas = [one for one in MATH.finditer(text) if one.start() < start and end <= one.end()]
    line = text[text.rfind("\n", 0, start) + 1 :]
    whole = next((group for group in formulas[-1].groups() if group), "") if formulas else line
    magnitude = MAGNITUDE.match(after) if formulas else None
    return UNBOX.sub(r"\1", whole) + (f" {magnitude[1]}" if magnitude else "")


def _mathematics(sentence: str) -> list[list[str]]:
    """The formulas of a sentence if they are one, or one list; the one number, to the end of its sentence, if there are none.

    A sentence that denies, supposes, or speaks of something else than a value has none: ``the answer is not 5``.
    """
    if DENIED.search(sentence) or "?" in sentence:
        return []
    formulas = list(MATH.finditer(sentence))
    if formulas:
        texts = [next(group for group in one.groups() if group) for one in formulas]
        start = len(formulas) - 1
        while start and GLUE.fullmatch(sentence[formulas[start - 1].end() : formulas[start].start()]):
            start -= 1
        return [texts[start:]]
    plain = characters(sentence)
    runs = list(RUN.finditer(plain))
    if len(runs) != 1:
        return []
    run, rest = runs[0][0].strip(), plain[runs[0].start() :].strip()
    return [[rest], *([[run]] if "=" in run or not run[0].isdigit() else [])]  # a sum of money, or what a sum comes to


def without_label(text: str) -> str:
    """A box such as ``\\text{The answer is } 5`` without the words that introduce it."""
    bare = text.replace("\\text{", " ").replace("}", " ", text.count("\\text{")) if "\\text{" in text else text
    said = SAID.match(bare.strip().removeprefix("The ").removeprefix("the "))
    return bare.strip().removeprefix("The ").removeprefix("the ")[said.end() :] if said else text
