"""Verdicts on labelled answers by openr1, by plain math-verify and by exact match: how many are wrong, and how fast.

``python tests/benchmarks/verdicts.py`` prints the tables of docs/results/verdicts.md. The cases are those of the tests; each
grader judges them one by one in this process, once its imports are done.
"""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.verdict_cases import labelled

from openr1.rewards import Problem, Sample
from openr1.rewards.correctness import judge_answer
from openr1.rewards.parsing import extract_conclusion, extract_last_boxes

Grader = Callable[[dict], bool | None]


def openr1(case: dict) -> bool | None:
    problem = Problem(case.get("prompt", ""), case["gold"], kind=case["kind"])
    return judge_answer(Sample(problem, case["completion"])).correct


def math_verify(case: dict) -> bool | None:
    """Judge as in math-verify's README: the gold answer in dollars, the whole completion; with its time-outs at a second."""
    from math_verify import parse, verify

    gold = case["gold"]
    gold = parse(gold if "$" in gold or "\\boxed" in gold else f"${gold}$", parsing_timeout=1)
    if not gold:
        return None
    return verify(gold, parse(case["completion"], parsing_timeout=1), timeout_seconds=1)


def letters(case: dict) -> bool | None:
    from math_verify import StringExtractionConfig, parse, verify

    strings = StringExtractionConfig(strings=tuple("ABCDEFGHIJ"))
    gold, answer = (parse(case[side], [strings], parsing_timeout=None) for side in ("gold", "completion"))
    return verify(gold, answer, timeout_seconds=None) if gold else None


def exact_match(case: dict) -> bool | None:
    text = extract_conclusion(case["completion"]) or ""
    boxes = extract_last_boxes(text)
    return " ".join((boxes[-1] if boxes else text).split()) == " ".join(case["gold"].split())


def row(name: str, grader: Grader, cases: list[dict]) -> tuple[str, float]:
    """Return a row of the table, and the verdicts a second."""
    for case in cases[:20]:
        grader(case)
    start = time.perf_counter()
    verdicts = [grader(case) for case in cases]
    speed = len(cases) / (time.perf_counter() - start)
    pairs = [(case["right"], verdict) for case, verdict in zip(cases, verdicts, strict=True)]
    false_positives = sum(verdict is True and right is not True for right, verdict in pairs)
    false_negatives = sum(verdict is False and right is True for right, verdict in pairs)
    silent = sum(verdict is None and right is not None for right, verdict in pairs)
    taken = sum(verdict is not None and right is None for right, verdict in pairs)
    agree = sum(right is verdict for right, verdict in pairs) / len(pairs)
    cells = f"{agree:.1%} | {false_positives} | {false_negatives} | {silent} | {taken}"
    return f"| {name} | {cells} | {speed:,.0f} |", speed


def table(kind: str, graders: dict[str, Grader]) -> None:
    cases = labelled(kind)
    counts = [sum(case["right"] is label for case in cases) for label in (True, False, None)]
    print(f"\n{kind}: {len(cases)} cases, {counts[0]} right, {counts[1]} wrong, {counts[2]} without a verdict\n")
    print("| grader | as labelled | false positives | false negatives | no verdict | verdict where none can be | verdicts/s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    speeds = {}
    for name, grader in graders.items():
        line, speeds[name] = row(name, grader, cases)
        print(line, flush=True)
    if "math-verify" in speeds:
        print(f"\nopenr1 gives {speeds['openr1'] / speeds['math-verify']:.2f} times as many verdicts a second as math-verify.")


def main() -> None:
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    table("math", {"openr1": openr1, "math-verify": math_verify, "exact match": exact_match})
    table("adversarial", {"openr1": openr1, "math-verify": math_verify, "exact match": exact_match})
    table("choice", {"openr1": openr1, "math-verify (strings)": letters, "exact match": exact_match})


if __name__ == "__main__":
    main()
