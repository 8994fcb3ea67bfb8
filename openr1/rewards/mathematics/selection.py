"""Selection of the answer in a conclusion: a box, a stated answer, or the end of the last sentence."""

from __future__ import annotations

import re

from openr1.rewards.mathematics.markup import normalise_characters, strip_markdown
from openr1.rewards.parsing import extract_last_boxes, find_boxes

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
TAIL = 4000  # characters at the end of a conclusion that are searched for an answer without a box
SHORT = 200  # characters of a text that may be an answer as a whole


def find_candidates(text: str) -> list[list[str]]:
    """List the candidates for the answer of a conclusion, the likeliest first; each is a list of texts that form one answer.

    If there is a box, it alone is the answer. Otherwise it is the text after ``####``, or what is stated as the answer, or the
    whole of a short text, or the formula, or the one number, of the last sentence. A last sentence with several numbers gives
    no answer.
    """
    if boxed := extract_last_boxes(text):
        around = _expand_box(text)
        return [boxed] if around is None else [[around]] if around else _find_stated(text[text.rfind("\\boxed") :], spoken=True)
    text = text[-TAIL:]
    if OPENED.search(text):  # a box that is empty or never closed
        return []
    if hashes := HASHES.findall(text):
        return [[hashes[-1]]]
    text = MATH.sub(lambda formula: formula[0].replace("\n", " "), CALCULATOR.sub("", strip_markdown(text)).strip())
    if stated := _find_stated(text):
        return stated
    candidates: list[list[str]] = []
    if len(text) <= SHORT and "\n" not in text:
        candidates.append([text])
    sentences = [sentence for sentence in SENTENCE.split(text) if re.search(r"\w", sentence)]
    if sentences:
        if len(sentences[-1]) <= SHORT:
            candidates.append([sentences[-1].strip()])
        candidates += _find_formulas(sentences[-1])
    elif text:
        candidates.append([text])
    return [parts for parts in candidates if all(parts)]


def _find_stated(text: str, spoken: bool = False) -> list[list[str]]:
    """List the candidates in the last statement of the answer; an empty one if it is retracted at once.

    :param spoken: ignore answers under a heading.
    """
    statements = [*SAID.finditer(text), *(() if spoken else HEADED.finditer(text))]
    if not statements:
        return []
    stated = text[max(statement.end() for statement in statements) :].strip()
    sentence, *after = SENTENCE.split(stated, maxsplit=1)
    if sentence.rstrip("*_ ").endswith("?") or (after and WITHDRAWN.match(after[0])):
        return [[""]]
    candidates = [[sentence.strip()], [CAUSE.split(sentence, maxsplit=1)[0].strip()], *_find_formulas(sentence)]
    return [parts for parts in candidates if all(parts)] or [[""]]


def _expand_box(text: str) -> str | None:
    """Return the formula around the last box, if text beside the box belongs to the answer: ``-\\boxed{5}``.

    None if no text does; empty if the text says that the box is not the answer.
    """
    start, end, _ = find_boxes(text)[-1]
    before, after = text[:start].rstrip("{ "), text[end:]
    if NEGATION.search(before) or REJECTED.match(after):
        return ""
    in_argument = text[:start].endswith("{") and BEFORE_BRACE.search(before) is not None
    if not (in_argument or GLUED_BEFORE.search(before) or GLUED_AFTER.match(after)):
        return None
    formulas = [formula for formula in MATH.finditer(text) if formula.start() < start and end <= formula.end()]
    line = text[text.rfind("\n", 0, start) + 1 :]
    whole = next((group for group in formulas[-1].groups() if group), "") if formulas else line
    magnitude = MAGNITUDE.match(after) if formulas else None
    return UNBOX.sub(r"\1", whole) + (f" {magnitude[1]}" if magnitude else "")


def _find_formulas(sentence: str) -> list[list[str]]:
    """Return the last formula of a sentence, or list of formulas; without formulas the one number, to the end of the sentence.

    A sentence that denies or supposes something, or does not state a value, has none: ``the answer is not 5``.
    """
    if DENIED.search(sentence) or "?" in sentence:
        return []
    formulas = list(MATH.finditer(sentence))
    if formulas:
        texts = [next(group for group in formula.groups() if group) for formula in formulas]
        start = len(formulas) - 1
        while start and GLUE.fullmatch(sentence[formulas[start - 1].end() : formulas[start].start()]):
            start -= 1
        return [texts[start:]]
    plain = normalise_characters(sentence)
    runs = list(RUN.finditer(plain))
    if len(runs) != 1:
        return []
    run, to_end = runs[0][0].strip(), plain[runs[0].start() :].strip()
    return [[to_end], *([[run]] if "=" in run or not run[0].isdigit() else [])]  # an amount of money, or a calculation


def strip_label(text: str) -> str:
    """Remove the words that introduce an answer in a box: ``\\text{The answer is } 5``."""
    bare = text.replace("\\text{", " ").replace("}", " ", text.count("\\text{")) if "\\text{" in text else text
    bare = bare.strip().removeprefix("The ").removeprefix("the ")
    label = SAID.match(bare)
    return bare[label.end() :] if label else text
