"""The parts of a completion: its thoughts, its answer, its program, by the tags of R1-Zero's template."""

from __future__ import annotations

import ast
import re

from openr1.rewards.fences import find_blocks, outdent

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
BRACES = re.compile(  # a box with its opening brace, or of one number or letter; an escaped character; a brace
    r"(?<!\\)\\{1,4}(?:boxed|fbox|framebox)(?![A-Za-z])\s*"
    r"(?:(?P<box>\{)|(?P<bare>-?\d[\d.,/]*(?<![.,])|[A-Za-z](?![A-Za-z])))|\\.|[{}]",
    re.DOTALL,
)
JOINT = re.compile(r"\\[A-Za-z]+|\b(?:and|or)\b|[和与及或]", re.IGNORECASE)  # may stand between the boxes of a list
WORD = re.compile(r"[^\W\d_]{2}|[\u3040-\u9fff]")  # two letters, or a character of a script whose words may have one


def extract_answer(text: str) -> str | None:
    """Return the text of the one ``<answer>``, stripped; None if there is none or more than one."""
    answer = extract_raw_answer(text)
    return None if answer is None else answer.strip()


def extract_raw_answer(text: str) -> str | None:
    """Return the text of the one ``<answer>`` with the space around it, which belongs to a program."""
    _, _, after = text.partition("<answer>")
    answer, closed, after = after.partition("</answer>")
    several = "</answer>" in after.partition("<answer>")[2]
    return answer if closed and not several else None


def extract_thoughts(completion: str) -> str:
    """Return the text before the last ``</think>``, or all of a completion without that tag."""
    thoughts, closed, text = completion.rpartition("</think>")
    return (thoughts if closed else text).strip().removeprefix("<think>")


def has_reasoning(completion: str) -> bool:
    """Tell whether a completion reasons before it answers: its thoughts are not empty, and they end."""
    return "</think>" in completion and bool(extract_thoughts(completion).strip())


def strip_thoughts(completion: str) -> str | None:
    """Return the text after the thoughts; None if they never end, since an answer within thoughts does not count."""
    text = completion.rpartition("</think>")[2]
    return None if "<think>" in text else text


def extract_conclusion(completion: str) -> str | None:
    """Return the conclusion of a completion: the one ``<answer>`` after the thoughts, or without the tag all text after them.

    None if the tag occurs several times, or if the thoughts never end.
    """
    text = extract_raw_conclusion(completion)
    return None if text is None else text.strip()


def extract_raw_conclusion(completion: str) -> str | None:
    """Return the conclusion with the space around it, which belongs to a program."""
    text = strip_thoughts(completion)
    return extract_raw_answer(text) if text is not None and "<answer>" in text else text


def extract_last_boxes(text: str) -> list[str]:
    """Return the content of the last ``\\boxed{}`` or ``\\fbox{}``, or of each box of the list that ends with it.

    Boxes with nothing but commas, "and", "or", signs and commands of LaTeX between them are a list; words between two boxes
    retract the earlier one. Of nested boxes the innermost counts. A box that is empty or never closed is ignored, and equal
    contents are returned once.
    """
    listed: list[str] = []
    last = 0
    for start, end, content in find_boxes(text):
        if not joins_list(text[last:start]):
            listed = []
        listed.append(content)
        last = end
    return list(dict.fromkeys(listed))


def joins_list(between: str) -> bool:
    """Tell whether a text between two answers makes a list of them: it has no word but "and" and "or"."""
    return not WORD.search(JOINT.sub(" ", between))


def find_boxes(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and content of each box, in order. It takes one pass, since a policy may open a thousand boxes."""
    boxes: list[tuple[int, int, str]] = []
    opened: list[tuple[int, int] | None] = []  # start of a box and of its content; None for any other brace
    for token in BRACES.finditer(text):
        if token["box"]:
            opened.append((token.start(), token.end()))
        elif token["bare"]:
            boxes.append((token.start(), token.end(), token["bare"]))
        elif token[0] == "{":
            opened.append(None)
        elif token[0] == "}" and opened and (box := opened.pop()):
            innermost = not (boxes and boxes[-1][0] > box[0])
            if innermost and (content := _trim(text[box[1] : token.start()])):
                boxes.append((box[0], token.end(), content))
    return boxes


def _trim(content: str) -> str:
    """Remove the spaces around a content, those of LaTeX included."""
    content = content.strip().removeprefix("\\ ")
    last = len(content) - len(content.rstrip("\\"))
    return content[:-1].strip() if last % 2 else content.strip()


def extract_program(completion: str) -> str | None:
    """Return the Python program of a completion's conclusion; None if it has none.

    It is the last fenced block of Python; otherwise the last block without a language that is not an example of input or
    output; otherwise the whole of a tagged answer.
    """
    text = extract_raw_conclusion(completion)
    if text is None:
        return None
    if blocks := find_blocks(text, "python"):
        return blocks[-1]
    if blocks := find_blocks(text):
        return next((block for block in reversed(blocks) if is_program(block)), blocks[-1])
    whole = text.strip() and extract_raw_answer(completion) == text and "```" not in text and "~~~" not in text
    return outdent(text) if whole else None


def is_program(text: str) -> bool:
    """Tell whether a text is a program, which calls or defines something, and not an example of output such as ``3``."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Call | ast.FunctionDef | ast.ClassDef) for node in ast.walk(tree))
