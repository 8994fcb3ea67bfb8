"""``openr1-verify GOLD ANSWER``, or ``openr1-verify CASES.jsonl``: judge answers, and say how both sides were read."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openr1.console import guarded
from openr1.curation.card import snippet
from openr1.data import program_tests
from openr1.data.tasks.base import KINDS, Problem
from openr1.errors import ConfigError
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.base import Verdict
from openr1.rewards.scorer import Score

WORDS = {True: "right", False: "wrong", None: "no verdict"}
BATCH = 1000  # cases that are judged at once


@dataclass(frozen=True)
class Case:
    """An answer to a problem, and whether it is right, where that is known."""

    sample: Sample
    label: bool | None = None
    labelled: bool = False


def read_cases(path: Path, kind: str) -> Iterator[Case]:
    """The cases of a JSONL file: ``gold`` and ``completion``, and perhaps ``kind``, ``prompt``, ``tests`` and ``right``.

    :raises ConfigError: for a line that is no case, with the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _case(line, f"{path}:{number}", kind)


def _case(line: str, where: str, kind: str) -> Case:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: a case is an object with gold and completion, not a {type(row).__name__}")
    kind = row.get("kind", kind)
    if kind not in KINDS:
        raise ConfigError(f"{where}: kind {kind!r} is not one of {', '.join(KINDS)}")
    texts = {"completion": row.get("completion", row.get("answer")), "prompt": row.get("prompt", "")}
    texts["gold"] = row.get("gold", "" if kind == "code" else None)
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ConfigError(f"{where}: {name} is a text, not {json.dumps(text)[:40]}")
    right = row.get("right")
    if right not in (True, False, None):
        raise ConfigError(f"{where}: right is true, false or null, not {json.dumps(right)[:40]}")
    problem = Problem(
        texts["prompt"], texts["gold"], kind=kind, tests=_tests(row.get("tests"), where) if kind == "code" else ()
    )
    return Case(Sample(problem, texts["completion"]), right, "right" in row)


def _tests(cell: Any, where: str) -> tuple[tuple[str, ...], ...]:
    try:
        return program_tests.read([cell])
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def grader(cases: Sequence[Case], time_limit: float) -> Iterator[tuple[Case, Score]]:
    """The cases with their scores, in their order."""
    config = RewardConfig({"accuracy": TermConfig()}, time_limit=time_limit)
    with Scorer(config) as scorer:
        for start in range(0, len(cases), BATCH):
            some = cases[start : start + BATCH]
            yield from zip(some, (score for [score] in scorer.score([[case.sample] for case in some])), strict=True)


def report(score: Score) -> dict[str, Any]:
    """A verdict, how both sides were read, and the step that decided."""
    verdict = score.verdict or Verdict()
    step = verdict.step or score.errors.get("verdict", "")
    return {"verdict": WORDS[score.correct], "gold": verdict.gold, "answer": verdict.answer, "step": step}


def verify(cases: Sequence[Case], time_limit: float, as_json: bool) -> None:
    """Judge cases and print a line for each, and a summary of many."""
    counts: Counter[str] = Counter()
    for case, score in grader(cases, time_limit):
        found = report(score)
        counts[found["verdict"]] += 1
        if case.labelled and score.correct is not case.label:
            found["label"] = WORDS[case.label]
            counts[f"labelled {WORDS[case.label]}, judged {found['verdict']}"] += 1
        print(json.dumps(found, ensure_ascii=False) if as_json else _line(found), flush=True)
    if len(cases) > 1 and not as_json:
        print(f"{len(cases):,} cases: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


def _line(found: dict[str, Any]) -> str:
    label = f" (its label says {found['label']})" if "label" in found else ""
    gold, answer, step = (snippet(found[name], 60, 30) or "-" for name in ("gold", "answer", "step"))
    return f"{found['verdict']}{label}: gold {gold} | answer {answer} | {step}"


def run(words: list[str], kind: str, prompt: str, time_limit: float, as_json: bool) -> None:
    """Judge one answer, or the cases of a file."""
    if not 0 < time_limit < math.inf:
        raise ConfigError(f"--time-limit: must be above 0, not {time_limit:g}")
    if len(words) == 1:
        cases = list(read_cases(Path(words[0]), kind))
    elif kind == "code":
        raise ConfigError("--kind=code: programs have tests; give a JSONL file of cases with tests")
    else:
        cases = [Case(Sample(Problem(prompt, words[0], kind=kind), words[1]))]
    verify(cases, time_limit, as_json)


def arguments() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="openr1-verify",
        description="Judge answers as rewards, curation and evaluation do, and say how both sides were read.",
        epilog=r"openr1-verify '\frac{1}{2}' '\boxed{0.5}'    openr1-verify --kind choice C 'The answer is (C).'    "
        "openr1-verify cases.jsonl    (-- stands before a gold answer that begins with a minus)",
    )
    parser.add_argument("words", nargs="+", metavar="TEXT", help="a gold answer and a completion, or a JSONL file of cases")
    parser.add_argument(
        "--kind", choices=KINDS, default="math", help="how answers are verified (of a file: where a case has no kind)"
    )
    parser.add_argument("--prompt", default="", help="the problem; an answer that only says it again is none")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds of one answer")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")
    return parser


def main() -> None:
    parser = arguments()
    given = parser.parse_args()
    if len(given.words) > 2:
        parser.error("give GOLD and ANSWER, each in quotes, or one file")
    guarded(lambda: run(given.words, given.kind, given.prompt, given.time_limit, given.json))


if __name__ == "__main__":
    main()
