"""Answers with the verdicts that they should have, and answers that are hostile to whatever reads them."""

import json
import runpy
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "openr1" / "rewards" / "verdicts"
KINDS = ("math", "choice", "exact")
ADVERSARIAL = "adversarial"  # answers in mathematics that were sought where a verdict might be wrong


def rows(name: str) -> list[dict]:
    """The rows of a file of the folder."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def labelled(kind: str) -> list[dict]:
    """Answers to problems of a kind: ``gold``, ``completion``, ``right``, ``group``, ``why`` and perhaps ``prompt``.

    ``right`` is None where the gold answer cannot be read to its end, so that there is no verdict.
    """
    return rows(kind)


def hostile() -> list[dict]:
    """Answers to be judged in reasonable time and memory: ``gold``, ``completion``, ``why``. None of them is right."""
    return rows("hostile") + runpy.run_path(str(FOLDER / "hostile.py"))["generated"]()
