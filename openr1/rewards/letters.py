"""Forms in which models state a letter, as regular expressions on :func:`openr1.rewards.plain_text.to_plain_text`.

A capital A or I, and a small letter, may be a word or a variable; they are read only if they can be neither. The forms of other
languages are those of Chinese models and of the translated MMLU.
"""

# ruff: noqa: RUF001 - the patterns need dashes and quotes of every kind

from __future__ import annotations

import re

OPEN, CLOSE = "⟦", "⟧"  # stand for the braces of a box
FLAGS = re.IGNORECASE | re.MULTILINE  # (?-i:) below: words may be in capitals, but the case of a letter matters

LEFT, RIGHT = (
    rf"[\"'“‘«<(\[{OPEN}]{{0,4}}",
    rf"[\"'”»>)\]{CLOSE}]{{0,4}}",
)  # bounded, as are all parts of a form, since a text may be hostile
BEFORE, BEHIND = (
    r"(?<![a-z0-9\u00c0-\u04ff'\\])",
    r"(?![a-z0-9\u00c0-\u04ff'])",
)  # not within a word; Chinese may touch the letter
LETTER = rf"{BEFORE}(?:{LEFT}(?-i:[A-HJ-Z]|I(?=[)\]{CLOSE}]|\.?$))|\((?-i:[a-hj])(?=\))){RIGHT}{BEHIND}"
SMALL = rf"{BEFORE}{LEFT}(?-i:[a-hj]){RIGHT}{BEHIND}"
AND = r"\s*(?:,?\s*\b(?:and|or)\b|[,;/&+、和或]|-)\s*(?:options?\s+|choices?\s+)?"
LETTERS = rf"{LETTER}(?:{AND}{LETTER}){{0,9}}"

# may follow: the end of a line, a mark, a reason; not a condition, nor a word that makes the letter part of a sentence
UNLESS = r"(?!\s*[,(]?\s*\b(?:but|however|though|if|unless|only|when|or|maybe|perhaps)\b)"
REASON = r"\b(?:because|since|as|due|given|which|based|instead|rather|(?:and\s+)?not)\b"
AFTER = rf"(?!{AND}{LETTER}){UNLESS}(?=\s*(?:$|[.,;:!。)](?!\d)|{OPEN}|です|입니다)|\s+(?:[-–—(]|{REASON}))"
END = r"(?=\s?[.!。]?$|[.!。]\s)"

ANSWER = (
    r"(?:\b(?:answers?|ans|antwort|respuesta|réponse|risposta|resposta|jawaban|cevap|ответ|solution|conclusion)\b"
    r"|答案|答え|正解|回答|解答|答|정답|답변|답)"
)
KIND = (
    r"\b(?:correct|right|best|final|closest|appropriate|my|only|chosen|remaining)\s+"
    r"(?:option|choice|letter|statement|response|alternative|selection|one)\b|(?:正确|最佳)(?:的)?选项"
)
NOUN = rf"(?:{ANSWER}|{KIND}|\b(?:option|choice)(?=\s*:|\s+is\b))"
MORE = (
    r"(?:\s+(?:choice|option|letter|corre(?:ct|tt)[aeo]?|here|overall)\b)?"
    r"(?:\s+(?:to|for|of)\s+[^.:\n]{1,40}?)?(?:\s*,[^,.\n]{1,20},)?\"?"
)
IS = (
    r"(?:\s*(?:\b(?:is|are|(?:would|will|should|must|can\s+only|has\s+to)(?:\s+(?:thus|then|therefore|likely))?\s+be|ist|es|est)\b"
    r"|->|=>|[:=–—→è-]|应该是|应为|是|为|は|은|는)){1,6}"
)
SURELY = (
    r"(?:[\s,:]*(?:\b(?:therefore|thus|hence|clearly|simply|just|then|definitely|indeed|probably|(?:most\s+)?likely|either|both"
    r"|given\s+by|in|options?|choices?|letters?|answer)\b|选项|选)){0,6}\s*"
)
START = (
    r"(?:^ ?|(?<=[.!:;,(]) ?|选项?"
    r"|\b(?:both|either|only|statement|so|thus|therefore|hence|that|think|believe|means|options?|choices?|answer|letter)\s+)"
)
SO = (
    r"(?:^|(?<=[.!?。])) ?(?:so|therefore|thus|hence|it\s+is|it's|it\s+must\s+be|that\s+is|that's|所以|因此|故|→|->|=>)[,:]?\s*"
)
VERB = r"(?:choose|chose|going\s+with|pick|picked|select|selected|go\s+with|went\s+with|opt\s+for|say)"
WILL = r"(?:'ll|'d|'m|\s+(?:will|would|must|should|can|therefore|thus|have\s+to|am\s+going\s+to))*"
FITS = r"\b(?:matches|is|gives|leaves|corresponds\s+to|leads\s+to|points\s+to)\s+(?:option|choice|answer)\s+"
ONE = (
    r"(?:(?:only|most|single|one)\s+)?(?:correct|right|best|appropriate|answer)"
    r"(?:\s+(?:answers?|option|choice|one|response|statement))?"
)
CORRECT = (
    r"\s*(?:\b(?:is|are|must\s+be|has\s+to\s+be)\b(?:\s+(?:therefore|thus|clearly|also|indeed|definitely|then))?(?:\s+the)?"
    rf"\s+{ONE}|是?正确(?:的|答案|选项)*)"
)
THEN = r"(?=\s*(?:$|[.,;:!。)]|\b(?:because|since|as|due|given|here|and)\b))"


def _compiled(*forms: str) -> list[re.Pattern[str]]:
    return [re.compile(form, FLAGS) for form in forms]


BOXED = re.compile(rf"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")
ANSWERED = _compiled(
    # the answer is C
    rf"{NOUN}{MORE}{IS}{SURELY}(?P<letters>{LETTERS}{AFTER}|{SMALL}(?:{END}|(?<=\))))",
    # Answer C, or a heading above the letter
    rf"{NOUN}[.:]?\s+(?P<letters>{LETTERS}|{SMALL})(?=[.:]?$|(?<=[)\]]) |[.:] )",
    # the answer is 63, option C
    rf"{ANSWER}{IS}(?:(?!\bnot\b|n't\b)[^.\n]){{1,80}}?\b(?:option|choice)\s+(?P<letters>{LETTERS}){END}",
    # I choose C
    rf"\b(?:I|we|let's|let\s+us){WILL}\s+{VERB}\b{SURELY}(?P<letters>{LETTERS}){AFTER}",
    rf"(?<![不别])[选選][择擇项]?\s*:?\s*(?P<letters>{LETTERS})(?=\s*(?:$|[.。,;!]|项))",
    # so C; this matches option C
    rf"{SO}(?:it\s+is|it's|it\s+must\s+be|we\s+have|选)?{SURELY}(?P<letters>{LETTERS}){END}",
    rf"{FITS}(?P<letters>{LETTERS}){END}",
    # a first or last line with nothing else
    rf"\A\s*(?:(?:option|choice)\s+)?(?P<letters>{LETTERS})[.:]?$",
    rf"^ ?(?:(?:option|choice)\s+)?(?P<letters>{LETTERS})[.]?\s*\Z",
    rf"\A\s*(?P<letters>{SMALL})[.]?\s*\Z",
)
AFFIRMED = _compiled(
    rf"{START}(?P<letters>{LETTERS}){CORRECT}{UNLESS}{THEN}",  # C is correct
    rf"\b(?:makes?|making|leaves?|leaving)\s+(?:option\s+|choice\s+)?(?P<letters>{LETTERS})\s+(?:as\s+)?the\s+{ONE}{THEN}",
)

ANY = rf"{LEFT}[A-Z]{RIGHT}{BEHIND}"
WHOLE = re.compile(
    rf"\s*(?:(?:option|choice|answer|letter)s?\s*:?\s*)?(?P<letters>{ANY}(?:(?:{AND}|(?<=\))|\s+){ANY}){{0,25}})[.:,;!]?\s*",
    FLAGS,
)
FIRST = re.compile(  # a letter that is separated from its text
    rf"\s*(?:(?:option|choice)\s+)?(?P<letters>{LEFT}(?-i:[A-Z]){RIGHT}(?:(?<=[)\]])|:|\.(?!\w)|(?=\s[-–—]\s))"
    rf"|(?-i:[B-HJ-Z])(?=\s\()|\(?(?-i:[a-hj])\)(?=\s))",
    FLAGS,
)
LISTED = re.compile(  # a letter that begins an option
    r"(?<![A-Za-z'])([A-Z])\)|(?:^|(?<=\s))\(?([a-hj])\)(?=\s)|^ ?(?:[Oo]ption |[Cc]hoice )?([A-Z])(?:[.:]| [-–—]|$)",
    re.MULTILINE,
)
REMARK = re.compile(r"\([^()\n]{2,}\)")

# a negation in the clause, a supposition in the sentence, a word before the letter that makes it an earlier one
DENIED = re.compile(
    r"\b(?:whether|not|never|cannot|\w+n't|thought|might|could|why|doubt|den(?:y|ies)|eliminated|excluded|rejected|worst|least"
    r"|unlikely|student(?:'s)?|false)\b|不|排除|误|可能|假设|有人",
    FLAGS,
)
SUPPOSED = re.compile(
    r"\b(?:if|unless|suppos\w+|assum\w+|otherwise|had|were|mistake\w*|misconception|tempt\w+|wrongly)\b|如果", FLAGS
)
FORMER = re.compile(r"\b(?:wrong|incorrect|previous|initial|earlier|first|other|false)\s+\Z", FLAGS)
SENTENCE = re.compile(r"[.!?。\n]")
CLAUSE = re.compile(r"[.!?。:;,\n]")
WITHDRAWN = re.compile(
    r"\b(?:no|not|wait|wrong|incorrect|actually|sorry|hmm+|but|however|instead|rather|correction|mistake|oops|scratch|hold|let"
    r"|(?:re)?check|reconsider|again)\b|不|错",
    FLAGS,
)
FILLER = re.compile(
    rf"\b(?:the|a|final|correct|best|right|so|therefore|thus|hence|and|or|is|it|also|option|choice|possibly|else|alternatively"
    rf"|as\s+well\s+as|plus|either|maybe|perhaps)\b|{ANSWER}",
    FLAGS,
)
# directly after a letter: it is wrong, or retracted, or another one may be right as well
REFUTED = re.compile(
    r"\W{0,6}(?:(?:is|was|are)\s+)?(?:in?correct|wrong|false|rejected|eliminated|ruled\s+out)\b(?<!\bcorrect)", FLAGS
)
RECALLED = re.compile(
    r"\W{0,6}(?:(?:no|wait|hmm+|actually|sorry|correction|oops|scratch\s+that|on\s+second\s+thoughts?|hold\s+on)\b"
    r"(?!\s+(?:other|option|choice|need|doubt|further))|(?:but\s+)?(?:that|this)(?:'s|\s+is|\s+was)\s+(?:wrong|not|incorrect|a\s+mistake)\b)",
    FLAGS,
)
OTHER = re.compile(
    rf"[.,;\s]*\b(?:or|alternatively)\b,?\s+(?:(?:maybe|possibly|perhaps|option|choice)\s+)*(?P<letters>{LETTERS})", FLAGS
)
ALONE = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
