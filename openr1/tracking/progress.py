"""Progress of a run: a bar or lines on the terminal, and a small file that shows it to other processes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from openr1.system.artifacts import Store

SCORES = {"eval_loss", "pass_at_1", "reasoned_rate"}  # metrics of an evaluation
SHOWN = SCORES | {"train_loss", "reward"}
LINE_SECONDS = 20.0  # between two lines of a stage that does not train, without a terminal


class Reporter:
    """Progress reporter that a stage calls with a step and its metrics.

    It draws a bar on a terminal, and prints a line at each evaluation elsewhere.

    :param doing: description of the work.
    :param steps: number of optimiser steps, or of answers.
    :param quiet: write the file only.
    """

    FILE: ClassVar[str] = "progress.json"

    def __init__(self, folder: Path, doing: str, steps: int, quiet: bool) -> None:
        self.path = folder / self.FILE
        self.doing, self.steps, self.quiet = doing, steps, quiet
        self.start = self.shown = time.monotonic()
        self.first: int | None = None
        self.bar: Any = None

    def __enter__(self) -> Reporter:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(self.doing, total=self.steps)
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()

    def __call__(self, step: int, metrics: dict[str, float], of: int | None = None) -> None:
        """Report a step.

        :param of: number of steps, if it is known only during the run.
        """
        self.steps = of or self.steps
        self.first = step if self.first is None else self.first
        self.path.write_text(json.dumps({"step": step, "steps": self.steps, "time": time.time()}))
        if self.bar:
            text = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name in SHOWN)
            self.bar.update(self.task, completed=step, total=self.steps, **({"description": text} if text else {}))
        elif not self.quiet and (SCORES & set(metrics) or (not metrics and time.monotonic() - self.shown > LINE_SECONDS)):
            self.shown = time.monotonic()
            left = (self.shown - self.start) / (step - self.first) * (self.steps - step) if step > self.first else None
            text = "".join(f"  {name} {value:.4f}" for name, value in metrics.items() if name in SCORES)
            remaining = "" if left is None else f"  about {left:.0f} s left"
            print(f"{self.doing}: {step:,} of {self.steps:,}{text}{remaining}", file=sys.stderr)


def share_done(store: Store, kind: str, fingerprint: str) -> float:
    """Return the share of a stage's steps that are done, as its process last reported it; 0 if it has not reported yet."""
    if store.find(kind, fingerprint):
        return 1.0
    progress = _read_progress(store.partial(kind, fingerprint))
    if progress:
        return progress["step"] / progress["steps"]
    return float(store.find(kind, fingerprint) is not None)  # the stage may have ended just now


def last_report_time(folder: Path) -> float:
    """Return the time of the last report of a run's process, in seconds since the epoch; 0 if it has not reported yet."""
    progress = _read_progress(folder)
    return progress["time"] if progress else 0.0


def _read_progress(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / Reporter.FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
