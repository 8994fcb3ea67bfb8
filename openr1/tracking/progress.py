"""How far a run is: a bar or lines for the person who waits, and a small file for whoever watches many runs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from openr1.artifacts import Store

SCORES = {"eval_loss", "pass_at_1", "reasoned_rate"}  # of an evaluation
SHOWN = SCORES | {"train_loss", "reward"}
LINE_SECONDS = 20.0  # between two lines of a stage that trains nothing, where there is no terminal


class Reporter:
    """Called by a stage with a step, and what was measured there: draws a bar, or a line at each evaluation off a terminal.

    :param doing: what a person is told.
    :param steps: of the optimiser, or answers; how many there are in all.
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
        """:param of: how many steps there are, where that is known only by and by."""
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
            rest = "" if left is None else f"  about {left:.0f} s left"
            print(f"{self.doing}: {step:,} of {self.steps:,}{text}{rest}", file=sys.stderr)


def share_done(store: Store, kind: str, fingerprint: str) -> float:
    """Share of the steps of a stage that are done, as its process last said; 0 where it has not said anything."""
    if store.find(kind, fingerprint):
        return 1.0
    said = _said(store.partial(kind, fingerprint))
    if said:
        return said["step"] / said["steps"]
    return float(store.find(kind, fingerprint) is not None)  # which may have ended just now


def last_said(folder: Path) -> float:
    """When a run's process last said how far it is, in seconds since the epoch; 0 where it has not said anything."""
    said = _said(folder)
    return said["time"] if said else 0.0


def _said(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / Reporter.FILE).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
