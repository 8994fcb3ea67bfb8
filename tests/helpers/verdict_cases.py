"""Labelled answers, and answers that are hostile to a reader."""

import json
import runpy
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "openr1" / "rewards" / "verdicts"
KINDS = ("math", "choice", "exact")
ADVERSARIAL = "adversarial"  # answers in mathematics that were written to break verdicts


def rows(name: str) -> list[dict]:
    """Read the rows of a file of the folder."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def labelled(kind: str) -> list[dict]:
    """Return labelled answers to problems of a kind: ``gold``, ``completion``, ``right``, ``group``, ``why``, maybe ``prompt``.

    ``right`` is None if the gold answer cannot be read to its end, so that there is no verdict.
    """
    return rows(kind)


def hostile() -> list[dict]:
    """Return wrong answers that must be judged in little time and memory: ``gold``, ``completion``, ``why``."""
    return rows("hostile") + runpy.run_path(str(FOLDER / "hostile.py"))["generated"]()
