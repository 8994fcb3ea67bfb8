"""What has become of the runs of a study: from their artifacts, from how far they say they are, and from what is tracked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from openr1.artifacts import Store
from openr1.tracking.mlflow import TrackedRun
from openr1.tracking.progress import last_report_time, share_done

SILENT_SECONDS = 10.0  # without a word, after which a run whose lock nobody here sees does not count as running


class State(StrEnum):
    DONE = "done"
    FAILED = "failed"
    PRUNED = "pruned"
    RUNNING = "running"
    STOPPED = "stopped"  # begun, and nobody is at it: the same command goes on from its last checkpoint
    WAITING = ""


@dataclass(frozen=True)
class Place:
    """Where a stage is made, and where it works until then."""

    kind: str
    fingerprint: str
    artifacts: str  # the folder of all of them

    @property
    def store(self) -> Store:
        return Store(self.artifacts)

    @property
    def partial(self) -> Path:
        return self.store.partial(self.kind, self.fingerprint)

    def share_done(self) -> float:
        return share_done(self.store, self.kind, self.fingerprint)

    def alive(self) -> bool:
        """Whether a process is at it: it holds the lock, or has said so from another machine a moment ago."""
        lock = Path(f"{self.partial}.lock")
        if lock.exists():
            try:
                with FileLock(lock, timeout=0):
                    pass
            except Timeout:
                return True
        return time.time() - last_report_time(self.partial) < SILENT_SECONDS

    def history(self) -> list[dict[str, float]]:
        """Its curves so far."""
        artifact = self.store.find(self.kind, self.fingerprint)
        path = (artifact.path if artifact else self.partial) / "history.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def metrics(self) -> dict[str, float]:
        """Of what is made; empty before."""
        artifact = self.store.find(self.kind, self.fingerprint)
        return artifact.metrics if artifact else {}


def latest(runs: Iterable[TrackedRun]) -> dict[str, TrackedRun]:
    """By fingerprint, the last of each."""
    return {run.tags["fingerprint"]: run for run in runs if "fingerprint" in run.tags}


def state_of(places: Sequence[Place], tracked: Mapping[str, TrackedRun]) -> tuple[State, str]:
    """What has become of a run, and why where it came to nothing.

    :param places: of its stages, in order.
    :param tracked: what is tracked of its study (:func:`latest`).
    """
    left = [place for place in places if not place.store.find(place.kind, place.fingerprint)]
    if not left:
        return State.DONE, ""
    if any(place.alive() for place in left):
        return State.RUNNING, ""
    for place in left:
        run = tracked.get(place.fingerprint)
        if run is None:
            continue
        if run.tags.get("state") == "PRUNED":
            return State.PRUNED, run.tags.get("pruned", "")
        if run.status == "FAILED":
            return State.FAILED, run.tags.get("failure", "")
        return State.STOPPED, ""
    begun = any(place.share_done() > 0 for place in places)
    return (State.STOPPED if begun else State.WAITING), ""
