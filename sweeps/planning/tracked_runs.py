"""Tracked runs of a study or of all studies, where the store may not exist yet."""

from __future__ import annotations

from collections.abc import Iterable

from openr1.tracking.mlflow import TrackedRun, read_runs
from openr1.tracking.options import TrackingConfig
from openr1.tracking.sqlite import path_of


def read_tracked_runs(tracking: TrackingConfig, study: str | None = None, **tags: str) -> list[TrackedRun]:
    """Read the runs of any status; none where there is no store yet, which is not created.

    :raises ConfigError: for a store that cannot be opened.
    """
    return read_runs(tracking.uri, study, None, **tags) if store_is_there(tracking) else []


def store_is_there(tracking: TrackingConfig) -> bool:
    """Return False for a store in a file that does not exist yet."""
    path = path_of(tracking.uri)
    return path is None or path.exists()


def is_reused(run: TrackedRun) -> bool:
    """Return whether the run only refers to an artifact that another study made."""
    return run.tags.get("reused") == "True"


def latest_by_fingerprint(runs: Iterable[TrackedRun]) -> dict[str, TrackedRun]:
    """Return the last run of each fingerprint."""
    return {run.tags["fingerprint"]: run for run in runs if "fingerprint" in run.tags}
