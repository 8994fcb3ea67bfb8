"""The parts of a completion: its thoughts, its answer, its program, by the tags of R1-Zero's template."""

from __future__ import annotations

import ast
import re

from openr1.rewards.fences import fenced, outdented

TAGS = ("<think>", "</think>", "<answer>", "</answer>")
BRACES = re.compile(  # a box, with its opening brace or of one number or letter; what is escaped; a brace
    r"(?<!\\)\\{1,4}(?:boxed|fbox|framebox)(?![A-Za-z])\s*"
    r"(?:(?P<box>\{)|(?P<bare>-?\d[\d.,/]*(?<![.,])|[A-Za-z](?![A-Za-z])))|\\.|[{}]",
    re.DOTALL,
)
JOINT = re.compile(r"\\[A-Za-z]+|\b(?:and|or)\b|[和与及或]", re.IGNORECASE)  # what may stand between the boxes of a list
WORD = re.compile(r"[^\W\d_]{2}|[\u3040-\u9fff]")  # two letters, or one character of a script that has words of one


def tagged(text: str) -> str | None:
    """The text of the one ``<answer>``, stripped; None where there is none or more than one."""
    given = answered(text)
    return None if given is None else given.strip()


def answered(text: str) -> str | None:
    """The text of the one ``<answer>`` with the space around it, which is a part of a program."""
    _, _, rest = text.partition("<answer>")
    given, closed, rest = rest.partition("</answer>")
    several = "</answer>" in rest.partition("<answer>")[2]
    return given if closed and not several else None


def thoughts(completion: str) -> str:
    """The text before ``</think>``; all of a completion that has no such tag."""
    return completion.partition("</think>")[0].strip().removeprefix("<think>")


def reasoned(completion: str) -> bool:
    """Whether a completion thinks before it answers: thoughts that are not empty, and that end."""
    return "</think>" in completion and bool(thoughts(completion).strip())


def after_thoughts(completion: str) -> str | None:
    """The text that follows the thoughts; None where they never ended: what a thought mentions is no answer."""
    text = completion.rpartition("</think>")[2]
    return None if "<think>" in text else text


def conclusion(completion: str) -> str | None:
    """What is given as the answer: the one ``<answer>`` after the thoughts, or all that follows them where there is none.

    None where the tag is there several times, and where the thoughts never ended.
    """
    text = concluded(completion)
    return None if text is None else text.strip()


def concluded(completion: str) -> str | None:
    """A conclusion with the space around it, which is a part of a program."""
    text = after_thoughts(completion)
    return answered(text) if text is not None and "<answer>" in text else text


def last_boxes(text: str) -> list[str]:
    """The content of the last ``\\boxed{}`` or ``\\fbox{}``, or of each box of the list that ends with it.

    Boxes with nothing but commas, "and", "or", signs and commands of LaTeX between them are one list; words between them take
    back what was boxed before. Of boxes in one another the innermost counts. One that is empty or never closed is no box; a
    content that is there twice is given once.
    """
    listed: list[str] = []
    last = 0
    for start, end, content in boxes(text):
        if not joint(text[last:start]):
            listed = []
        listed.append(content)
        last = end
    return list(dict.fromkeys(listed))


def joint(between: str) -> bool:
    """Tell whether a text joins two answers to one list, as no word but "and" and "or" does."""
    return not WORD.search(JOINT.sub(" ", between))


def boxes(text: str) -> list[tuple[int, int, str]]:
    """Start, end and content of each box, in their order; one pass, since a policy may open a thousand of them."""
    found: list[tuple[int, int, str]] = []
    opened: list[tuple[int, int] | None] = []  # start of a box and of its content; None for a brace of something else
    for token in BRACES.finditer(text):
        if token["box"]:
            opened.append((token.start(), token.end()))
        elif token["bare"]:
            found.append((token.start(), token.end(), token["bare"]))
        elif token[0] == "{":
            opened.append(None)
        elif token[0] == "}" and opened and (box := opened.pop()):
            innermost = not (found and found[-1][0] > box[0])
            if innermost and (content := _trimmed(text[box[1] : token.start()])):
                found.append((box[0], token.end(), content))
    return found


def _trimmed(content: str) -> str:
    """A content without the spaces about it, those of LaTeX too."""
    content = content.strip().removeprefix("\\ ")
    last = len(content) - len(content.rstrip("\\"))
    return content[:-1].strip() if last % 2 else content.strip()


def program(completion: str) -> str | None:
    """The Python program that a completion concludes with; None where there is none.

    It is the last fenced block of Python; else the last block of no language, but for examples of input and output; else the
    whole of a tagged answer.
    """
    text = concluded(completion)
    if text is None:
        return None
    if blocks := fenced(text, "python"):
        return blocks[-1]
    if blocks := fenced(text):
        return next((block for block in reversed(blocks) if acts(block)), blocks[-1])
    whole = text.strip() and answered(completion) == text and "```" not in text and "~~~" not in text
    return outdented(text) if whole else None


def acts(text: str) -> bool:
    """Tell a program, which calls or defines something, from an example of input or output, such as ``3``."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Call | ast.FunctionDef | ast.ClassDef) for node in ast.walk(tree))
