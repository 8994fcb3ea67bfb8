"""One run: config -> budget -> data -> stage -> artifact and tracked run. What is already done is not done again."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from openr1 import data
from openr1.artifacts import Artifact, Store, fingerprint, fingerprint_of
from openr1.budget import Budget, resolve
from openr1.config import Config, digest, to_dict
from openr1.files import write_json
from openr1.models import checkpoint_of
from openr1.progress import Reporter

STARTED = "run.json"  # in the directory of a run: where it is tracked


@dataclass(frozen=True)
class Result:
    """A finished run: what it made, and where it is tracked."""

    artifact: Artifact
    budget: Budget
    run_id: str
    reused: bool  # nothing was trained: the artifact was there


def identify(config: Config) -> tuple[str, dict[str, str]]:
    """The fingerprint of a run and of its inputs, without making anything."""
    inputs = {"data": data.fingerprint(config)}
    checkpoint = checkpoint_of(config.model, config.scale)
    if checkpoint:
        inputs["model"] = fingerprint_of(checkpoint, config.model.revision, Path(config.paths.cache))
    return fingerprint(config, inputs), inputs


def run(config: Config, trial: str = "", quiet: bool = False) -> Result:
    """Make the artifact of a config, or find it made, and see to it that the study has its run.

    :param trial: what sets this run apart within its study, for people.
    :param quiet: no progress on the terminal; the file beside the checkpoints is still written.
    :raises ConfigError: before anything is written, for a config that cannot run.
    :raises RunError: where training cannot go on.
    """
    from openr1 import tracking

    _calm()
    by_data = config.stage.kind == "sft" or config.budget.epochs is not None
    if not by_data:
        resolve(config)  # an impossible budget is refused before the data are tokenised
    dataset = data.prepare(config)
    budget = resolve(config, dataset)
    mark, inputs = identify(config)
    kind = config.stage.kind
    store = Store(config.paths.artifacts)
    with store.lock(kind, mark):
        artifact = store.find(kind, mark)
        found = tracking.find(config.tracking, config.study, mark) if artifact else None
        if artifact and found:
            return Result(artifact, budget, found, reused=True)

        folder = store.partial(kind, mark)
        resume = _started(artifact.path if artifact else folder, config.study)
        tags = {
            "role": "stage",
            "stage": kind,
            "trial": trial,
            "family": budget.shape.family,
            "scale": config.scale.name,
            "data": config.data.name,
            "seed": config.seed,
            "config_hash": digest(to_dict(config))[:16],
            "fingerprint": mark,
            **{f"input.{name}": value for name, value in inputs.items()},
            "artifact": store.path(kind, mark).absolute(),
        }
        params = {**to_dict(config), "budget.resolved": budget.summary()}
        name = f"{budget.shape.family}-{config.scale.name}-{budget.flops:.2g}FLOPs-s{config.seed}"
        with tracking.track(config.tracking, config.study, name, tags, params, to_dict(config), resume) as tracked:
            if not resume:
                tracked.log_dataset(config.data.name, dataset.fingerprint[:16], dataset.summary(), "training")
            if artifact is None:
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / STARTED, {"study": config.study, "run_id": tracked.run_id})
                from openr1.training import CHECKPOINTS, Job

                with Reporter(folder, budget, quiet) as report:
                    stage = importlib.import_module(f"openr1.stages.{kind}")
                    metrics = stage.run(Job(config, budget, dataset, folder, tracked, report))
                artifact = store.publish(Artifact(kind, mark, inputs, metrics), scratch=(CHECKPOINTS, Reporter.FILE))
                reused = False
            else:
                for row in artifact.history():
                    tracked.log({key: value for key, value in row.items() if key not in ("step", "seconds")}, row["step"])
                reused = True
            tracked.summarise(artifact.metrics, budget.steps)
            tracked.tag(model_sha256=artifact.sha256(), reused=reused)
    return Result(artifact, budget, tracked.run_id, reused)


def _started(folder: Path, study: str) -> str | None:
    """The tracked run of a run of the same study that was killed before it was finished there."""
    path = folder / STARTED
    started = json.loads(path.read_text()) if path.exists() else {}
    return started.get("run_id") if started.get("study") == study else None


def _calm() -> None:
    """Libraries speak of what a user of ours can do nothing about; errors still come through."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(transformers|trl|torch|accelerate)\.")
    for name in ("transformers", "trl", "datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
