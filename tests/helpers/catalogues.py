"""Outputs folders with studies of made-up runs: their tracked runs, artifacts, records and plans, without training."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from openr1.config.schema import PathsConfig
from openr1.runs import record
from openr1.runs.record import RunRecord, StageRecord
from openr1.sweeps.catalogue.config import StudiesConfig
from openr1.system.artifacts import Artifact, Store
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig

SHARED = "ab" * 8  # fingerprint of a run that two studies have
CONFIG = {"model": {"family": "qwen2"}, "scale": {"name": "30k"}, "data": {"name": "none"}, "seed": 0, "tracking": {}}


def places(outputs: Path) -> tuple[PathsConfig, TrackingConfig]:
    paths = PathsConfig(str(outputs), f"{outputs}/artifacts", f"{outputs}/cache", f"{outputs}/studies")
    return paths, TrackingConfig(f"sqlite:///{outputs}/mlflow.db", f"{outputs}/mlartifacts")


def options(outputs: Path, action: str = "list", *words: object, **others: object) -> StudiesConfig:
    """Return the options of ``openr1-plan studies ACTION WORDS``."""
    paths, store = places(outputs)
    given = dict(zip(("name", "to"), map(str, words), strict=False))
    return StudiesConfig(action, **given, paths=paths, tracking=store, **others)


def make_study(outputs: Path, study: str, fingerprints: dict[str, float], planned: tuple[str, ...] = ()) -> None:
    """Make a study of runs of one stage each.

    :param fingerprints: of its finished runs, with their losses. An artifact that is there is taken over.
    :param planned: fingerprints of runs that its plan has beside them.
    """
    paths, config = places(outputs)
    for number, (fingerprint, loss) in enumerate(fingerprints.items()):
        made = publish(outputs, fingerprint, loss)
        tags = {"role": "stage", "stage": "pretrain", "fingerprint": fingerprint, "artifact": str(made.path.absolute())}
        tags |= {"scale": "30k", "seed": number, "trial": f"seed={number}"}
        with tracking.track(config, study, f"{study} s{number}", tags, {"seed": number, "study": study}, CONFIG) as run:
            for step in (1, 2):
                run.log({"tokens": 100.0 * step, "flops": 1e9 * step, "eval_loss": loss + 2 - step}, step)
            run.log_results({"params_non_embedding": 3e4, "tokens": 200.0, "flops": 2e9, "eval_loss": loss}, 2)
        stage = StageRecord("", "pretrain", fingerprint, {}, {"eval_loss": loss}, None, CONFIG, {}, run.run_id)
        whole = RunRecord(f"{study} s{number}", study, f"seed={number}", fingerprint, [stage], None, run.run_id)
        record.write(whole, record.folder_of(paths.studies, study) / f"{fingerprint}.json")
    write_plan(outputs, study, (*fingerprints, *planned))


def publish(outputs: Path, fingerprint: str, loss: float) -> Artifact:
    """Return the artifact of a fingerprint, which is made if it is not there."""
    store = Store(outputs / "artifacts")
    if made := store.find("pretrain", fingerprint):
        return made
    folder = store.partial("pretrain", fingerprint) / "model"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(bytes(1000))
    return store.publish(Artifact("pretrain", fingerprint, metrics={"eval_loss": loss}))


def write_plan(outputs: Path, study: str, fingerprints: tuple[str, ...]) -> None:
    """Write the plan of runs of one stage each."""
    folder = outputs / "studies" / study
    folder.mkdir(parents=True, exist_ok=True)
    up = "/".join([".."] * (1 + len(study.split("/"))))
    stage = {"name": "", "kind": "pretrain", "artifacts": f"{up}/artifacts", "flops": 2e9, "seconds": 1.0, "shared": False}
    runs = [{"name": one, "overrides": ["seed=0"], "stages": [{**stage, "fingerprint": one}]} for one in fingerprints]
    plan = {"study": study, "command": f"openr1 -m study={study} seed=0,1", "runs": runs, "at_once": 1}
    (folder / "plan.json").write_text(json.dumps({**plan, "worker_start_seconds": 0.0, "further_rounds": False}))


@contextmanager
def without_asking():
    """Track runs in the block without asking git and the hardware, which takes longer than all else here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("git_commit", "hardware"):
            patch.setattr(tracking, name, lambda: "unknown")
        patch.setattr(tracking, "environment", dict)
        yield
