"""Traces of planned runs in the artifact and tracking stores, without training."""

import json
import time
from datetime import UTC, datetime

from openr1.system.artifacts import Artifact
from openr1.tracking.mlflow import TrackedRun


def published(stage, **metrics):
    """Publish the artifact of a planned stage."""
    folder = stage.partial
    folder.mkdir(parents=True)
    return stage.store.publish(Artifact(stage.config.stage.kind, stage.fingerprint, {}, metrics))


def begun(stage, share, eval_loss):
    """Write the progress and curve of a run that is under way."""
    stage.partial.mkdir(parents=True)
    said = {"step": round(100 * share), "steps": 100, "time": time.time() - 3600}
    (stage.partial / "progress.json").write_text(json.dumps(said))
    (stage.partial / "history.jsonl").write_text(json.dumps({"step": 10, "eval_loss": eval_loss}) + "\n")


def told(stage, status, end=True, **tags):
    """Return the tracked run of a planned stage."""
    tags = {"fingerprint": stage.fingerprint, "stage": stage.config.stage.kind, **tags}
    start = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC)
    return TrackedRun(stage.fingerprint, "", status, start, start.replace(minute=1) if end else None, tags, {}, {}, None)
