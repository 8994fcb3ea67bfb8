"""The command ``openr1-verify``: judges an answer, or the cases of a file, and shows how both sides were parsed."""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openr1.data import program_tests
from openr1.data.snippets import snippet
from openr1.data.tasks.problem import KINDS, Problem
from openr1.options.guard import guarded
from openr1.rewards import RewardConfig, Sample, Scorer, TermConfig
from openr1.rewards.base import Verdict
from openr1.rewards.scorer import Score
from openr1.system.errors import ConfigError
from openr1.system.packages import require

WORDS = {True: "right", False: "wrong", None: "no verdict"}
BATCH = 1000  # cases per call of the scorer


@dataclass(frozen=True)
class Case:
    """An answer to a problem, and its label if it has one."""

    sample: Sample
    label: bool | None = None  # right, wrong or without a verdict
    labelled: bool = False


def read_cases(path: Path, kind: str) -> Iterator[Case]:
    """Read the cases of a JSONL file: ``gold`` and ``completion``, optionally ``kind``, ``prompt``, ``tests`` and ``right``.

    :raises ConfigError: for a line that is not a case, with the file and the line.
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
        return program_tests.read_tests([cell])
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def grade(cases: Sequence[Case], time_limit: float) -> Iterator[tuple[Case, Score]]:
    """Yield the cases with their scores, in order."""
    config = RewardConfig({"accuracy": TermConfig()}, time_limit=time_limit)
    with Scorer(config) as scorer:
        for start in range(0, len(cases), BATCH):
            batch = cases[start : start + BATCH]
            yield from zip(batch, (score for [score] in scorer.score([[case.sample] for case in batch])), strict=True)


def describe(score: Score) -> dict[str, Any]:
    """Return the verdict, both sides as parsed, and the deciding step."""
    verdict = score.verdict or Verdict()
    step = verdict.step or score.errors.get("verdict", "")
    return {"verdict": WORDS[score.correct], "gold": verdict.gold, "answer": verdict.answer, "step": step}


def verify(cases: Sequence[Case], time_limit: float, as_json: bool) -> None:
    """Judge cases, and print a line for each and a summary of several."""
    counts: Counter[str] = Counter()
    for case, score in grade(cases, time_limit):
        result = describe(score)
        counts[result["verdict"]] += 1
        if case.labelled and score.correct is not case.label:
            result["label"] = WORDS[case.label]
            counts[f"labelled {WORDS[case.label]}, judged {result['verdict']}"] += 1
        print(json.dumps(result, ensure_ascii=False) if as_json else _line(result), flush=True)
    if len(cases) > 1 and not as_json:
        print(f"{len(cases):,} cases: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


def _line(result: dict[str, Any]) -> str:
    label = f" (its label says {result['label']})" if "label" in result else ""
    gold, answer, step = (snippet(result[name], 60, 30) or "-" for name in ("gold", "answer", "step"))
    return f"{result['verdict']}{label}: gold {gold} | answer {answer} | {step}"


def verify_command(texts: list[str], kind: str, prompt: str, time_limit: float, as_json: bool) -> None:
    """Judge one answer, or the cases of a file.

    :param texts: a gold answer and a completion, or the path of a JSONL file.
    """
    require("math_verify")
    if not 0 < time_limit < math.inf:
        raise ConfigError(f"--time-limit: must be above 0, not {time_limit:g}")
    if len(texts) == 1:
        cases = list(read_cases(Path(texts[0]), kind))
    elif kind == "code":
        raise ConfigError("--kind=code: needs tests; give a JSONL file of cases with tests")
    else:
        cases = [Case(Sample(Problem(prompt, texts[0], kind=kind), texts[1]))]
    verify(cases, time_limit, as_json)


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="openr1-verify",
        description="Judge answers as rewards, curation and evaluation do, and show how both sides were parsed.",
        epilog=r"openr1-verify '\frac{1}{2}' '\boxed{0.5}'    openr1-verify --kind choice C 'The answer is (C).'    "
        "openr1-verify cases.jsonl    (-- stands before a gold answer that begins with a minus)",
    )
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="a gold answer and a completion, or a JSONL file of cases")
    parser.add_argument(
        "--kind", choices=KINDS, default="math", help="how answers are verified (for a file: of cases without a kind)"
    )
    parser.add_argument("--prompt", default="", help="the problem; an answer that only repeats it does not count")
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds per answer")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    return parser


def main() -> None:
    """Run the command."""
    parser = argument_parser()
    args = parser.parse_args()
    if len(args.texts) > 2:
        parser.error("give GOLD and ANSWER, each in quotes, or one file")
    guarded(lambda: verify_command(args.texts, args.kind, args.prompt, args.time_limit, args.json))


if __name__ == "__main__":
    main()
