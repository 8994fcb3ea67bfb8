"""States of the runs of a study, from their artifacts, their progress files and the tracking store."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from openr1.system.artifacts import Store
from openr1.system.files import read_json_lines
from openr1.tracking.mlflow import TrackedRun
from openr1.tracking.progress import last_report_time, share_done

SILENT_SECONDS = 10.0  # without progress, after which a run whose lock is not held on this machine does not count as running


class State(StrEnum):
    """State of a run or a stage."""

    DONE = "done"
    FAILED = "failed"
    PRUNED = "pruned"
    RUNNING = "running"
    STOPPED = "stopped"  # begun, and no process works on it: the same command resumes it from its last checkpoint
    WAITING = ""


@dataclass(frozen=True)
class StagePlace:
    """Place of one stage in the artifact store: the artifact once it is made, and the folder it is written in before."""

    kind: str
    fingerprint: str
    artifacts: str  # the folder of all artifacts

    @property
    def store(self) -> Store:
        return Store(self.artifacts)

    @property
    def partial(self) -> Path:
        return self.store.partial(self.kind, self.fingerprint)

    @property
    def is_made(self) -> bool:
        return self.store.find(self.kind, self.fingerprint) is not None

    def share_done(self) -> float:
        """Return the share of the stage's work that is done."""
        return share_done(self.store, self.kind, self.fingerprint)

    def is_running(self) -> bool:
        """Return whether a process holds the lock of the stage, or has reported progress from another machine a moment ago."""
        lock = Path(f"{self.partial}.lock")
        if lock.exists():
            try:
                with FileLock(lock, timeout=0):
                    pass
            except Timeout:
                return True
        return time.time() - last_report_time(self.partial) < SILENT_SECONDS

    def history(self) -> list[dict[str, float]]:
        """Read the stage's curves so far."""
        artifact = self.store.find(self.kind, self.fingerprint)
        path = (artifact.path if artifact else self.partial) / "history.jsonl"
        return read_json_lines(path) if path.exists() else []

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the artifact; none before it is made."""
        artifact = self.store.find(self.kind, self.fingerprint)
        return artifact.metrics if artifact else {}


def state_of_run(places: Sequence[StagePlace], tracked: Mapping[str, TrackedRun]) -> tuple[State, str]:
    """Return the state of a run, and the reason where it failed or was pruned.

    :param places: of its stages, in order.
    :param tracked: runs of its study by fingerprint (:func:`openr1.sweeps.planning.tracked_runs.latest_by_fingerprint`).
    """
    unmade = [place for place in places if not place.is_made]
    if not unmade:
        return State.DONE, ""
    if any(place.is_running() for place in unmade):
        return State.RUNNING, ""
    for place in unmade:
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
