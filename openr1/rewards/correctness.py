"""Whether a completion gives the right answer, by the kind of its problem: exact, math, choice or code."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from openr1.rewards.base import Sample, Verdict, Verified
from openr1.rewards.parts import conclusion, program, tagged

if TYPE_CHECKING:
    from openr1.rewards.sandbox import Sandbox

DELIMITER = re.compile(r"(?<!\\)\$|\\\(|\\\[|\\boxed")  # of LaTeX in prose
CHOICE = re.compile(r"\(?([A-Z])(?:[).:,]|\s*$)")  # a letter alone, or set off from its text
BOXED = re.compile(r"\\boxed\{\s*(?:\\(?:text|mathrm|textbf|mathbf)\{)?\s*\(?([A-Z])\)?\s*\}")
SAID = re.compile(r"\b[Aa]nswer(?: is)?:?[\s*]*\(?([A-Z])(?=[).:,;*]|\s*$)", re.MULTILINE)

Progress = Callable[[str], Any]  # told "start", "gold" or "completion": what is being worked on, whose fault a hang would be


def check(
    sample: Sample, sandbox: Sandbox | None = None, every: bool = False, progress: Progress = lambda stage: None
) -> Verdict:
    """The verdict on a sample's answer.

    It may take for ever on some expressions: :class:`openr1.rewards.Scorer` calls it in a process that it can kill.

    :param sandbox: where programs run; bubblewrap with its default limits where None.
    :param every: run all tests of a program, also after one that fails.
    :param progress: called before each step, so that a caller in another process can tell what hangs.
    :raises ValueError: for a problem of unknown kind.
    :raises SandboxError: where the sandbox itself fails; a program that fails is only wrong.
    :raises ConfigError: where there is no sandbox.
    """
    kind = sample.problem.kind
    if kind == "code":
        passed = _code(sample, sandbox, every, progress)
        return Verdict(None if passed is None else all(passed), passed)
    if kind not in KINDS:
        raise ValueError(f"a problem of kind {kind!r}, which is not one of {', '.join(KINDS)}, code")
    return Verdict(KINDS[kind](sample, progress))


def verify(sample: Sample) -> bool | None:
    """Whether the answer is right, by :func:`check` where that is not known; None where nothing can be said, since the gold
    answer cannot be read.
    """
    return sample.verdict.correct if isinstance(sample, Verified) else check(sample).correct


def wrong(sample: Sample) -> Verdict:
    """The verdict on an answer that cannot be checked: wrong, and no test of a program passed."""
    return Verdict(False, (False,) * len(sample.problem.tests) or None)


def _exact(sample: Sample, progress: Progress) -> bool | None:
    """Exactly one ``<answer>``, and its text is the gold answer, or one that the problem's task accepts."""
    progress("start")
    from openr1.data.tasks import accepts, find

    progress("completion")
    if not sample.problem.answer:
        try:
            find(sample.problem.task)  # whose problems may have a verifier alone
        except ValueError:
            return None
    answer = tagged(sample.completion)
    return answer is not None and accepts(sample.problem, answer)


def _choice(sample: Sample, _: Progress) -> bool | None:
    """The letter of a multiple choice: the last one boxed, else said to be the answer, else with which the text begins."""
    gold = sample.problem.answer.strip().strip("()").upper()
    if not re.fullmatch(r"[A-Z]", gold):
        return None
    text = conclusion(sample.completion)
    if text is None:
        return False
    found = BOXED.findall(text) or SAID.findall(text)
    if not found and (first := CHOICE.match(text)):
        found = [first.group(1)]
    return found[-1:] == [gold]


def _math(sample: Sample, progress: Progress) -> bool | None:
    """Equality by math-verify, its own time-outs off: they need the main thread, and a signal cannot stop every parse."""
    progress("start")
    from math_verify import verify as equal

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # its warning that time-outs are off
    progress("gold")
    gold = _gold(sample.problem.answer)
    if not gold:
        return None
    progress("completion")
    text = conclusion(sample.completion)
    if not text:
        return False
    short = tagged(sample.completion) == text
    return equal(list(gold), _parse(_delimited(text) if short else text), timeout_seconds=None)


@lru_cache(maxsize=1024)
def _gold(answer: str) -> tuple:
    return tuple(_parse(_delimited(answer)))


def _delimited(answer: str) -> str:
    """A bare answer as LaTeX: outside of it math-verify reads ``5\\sqrt{2}`` as 5."""
    answer = answer.strip()
    if not answer or DELIMITER.search(answer):
        return answer
    return "$" + re.sub(r"(?<!\\)%", r"\\%", answer) + "$"


def _parse(text: str) -> list:
    """What math-verify reads in a text; nothing rather than the bare string of what it cannot read."""
    from math_verify import parse

    return parse(text, fallback_mode="no_fallback", parsing_timeout=None)


def _code(sample: Sample, sandbox: Sandbox | None, every: bool, progress: Progress) -> tuple[bool, ...] | None:
    if not sample.problem.tests:
        return None
    source = program(sample.completion)
    if source is None:
        return wrong(sample).passed
    if sandbox is None:
        from openr1.rewards.sandbox import default

        sandbox = default()
    return sandbox.test(source, sample.problem.tests, every, progress)


KINDS: dict[str, Callable[[Sample, Progress], bool | None]] = {"exact": _exact, "math": _math, "choice": _choice}
