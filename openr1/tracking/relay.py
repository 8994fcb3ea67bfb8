"""Relay of what an observer is told: a run on several processes is observed in the process that started them.

The first rank writes each call to a file, and the process of the run repeats the calls to its own observer while it waits.
"""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from openr1.system.errors import Pruned, RunError
from openr1.tracking import observer
from openr1.tracking.observer import RunObserver

OBSERVED = "observed.jsonl"  # the file, in the folder of the processes of a run
REPEATED: dict[str, Any] = {
    "report": observer.report,
    "report_again": lambda tokens, metrics, every: observer.report_again([{**metrics, "tokens": tokens}], every),
    "spend": observer.spend,
    "note": observer.note,
}


class RelayObserver(RunObserver):
    """Observer that writes what it is told to a file, one JSON line a call."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def report(self, tokens: int, metrics: dict[str, float], every: float | None) -> None:
        self._write("report", tokens=tokens, metrics=metrics, every=every)

    def report_again(self, tokens: int, metrics: dict[str, float], every: float | None) -> None:
        self._write("report_again", tokens=tokens, metrics=metrics, every=every)

    def spend(self, run_id: str, flops: float, wall_seconds: float) -> None:
        self._write("spend", run_id=run_id, flops=flops, wall_seconds=wall_seconds)

    def note(self, facts: dict[str, Any]) -> None:
        self._write("note", **facts)

    def _write(self, call: str, **arguments: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([call, arguments]) + "\n")


class Repeater:
    """Repeats the calls in the file of a :class:`RelayObserver` to the observer of this process."""

    def __init__(self, path: Path) -> None:
        self.path, self.read = path, 0  # bytes
        self.waiting: deque[tuple[str, dict[str, Any]]] = deque()

    def __call__(self) -> None:
        """Repeat the calls that were written since the last time.

        :raises Pruned: if the observer ends the run.
        """
        self._read_calls()
        while self.waiting:
            call, arguments = self.waiting.popleft()
            REPEATED[call](**arguments)

    def finish(self) -> None:
        """Repeat the last calls of a run that has ended by itself or with an error, neither of which they change."""
        self._read_calls()
        while self.waiting:
            with suppress(Pruned, RunError):
                self()

    def _read_calls(self) -> None:
        with suppress(FileNotFoundError), self.path.open("rb") as file:  # the first rank has not called yet
            file.seek(self.read)
            lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]  # a call may be half written
            self.read += len(whole)
            self.waiting += map(json.loads, whole.splitlines())
