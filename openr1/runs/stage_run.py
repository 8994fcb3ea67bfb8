"""One run: config -> what it takes -> stage -> artifact and tracked run. What is already done is not done again."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from openr1.artifacts import STARTED, Artifact, Store
from openr1.config.schema import Config, to_dict
from openr1.data.hashing import digest
from openr1.distributed.launcher import RANKS, check_machine, is_distributed, launch
from openr1.engines.end_tokens import check_end_tokens
from openr1.files import write_json
from openr1.models.checkpoints import checkpoint_of
from openr1.models.shape import size_of
from openr1.rl.budget import RlBudget
from openr1.runs.dataset import prepare_dataset
from openr1.runs.estimate import RunEstimate, estimate_run
from openr1.runs.fingerprint import artifacts, identify, with_local_checkpoint
from openr1.tracking import observer
from openr1.tracking.progress import Reporter
from openr1.training import branching
from openr1.training.budget import Budget, resolve
from openr1.training.context import StageContext, perform, stage_of

SCRATCH = ("checkpoints", "answers", "verdicts", RANKS, Reporter.FILE)  # in it, what only a resume needs


@dataclass(frozen=True)
class Result:
    """A finished stage: what it made, and where it is tracked."""

    config: Config
    artifact: Artifact
    estimate: RunEstimate
    run_id: str
    reused: bool  # nothing was done: the artifact was there

    @property
    def metrics(self) -> dict[str, float]:
        return self.artifact.metrics

    @property
    def budget(self) -> Budget | RlBudget | None:
        """Of training."""
        return self.estimate.budget


def run(config: Config, trial: str = "", quiet: bool = False, parent: str | None = None) -> Result:
    """Make the artifact of a stage, or find it made, and see to it that the study has its run.

    :param trial: what sets this run apart within its study, for people.
    :param quiet: no progress on the terminal; the file beside the work is still written.
    :param parent: the tracked run of the recipe that this is a step of; the study's where there is none.
    :raises ConfigError: before anything is written, for a config that cannot run.
    :raises RunError: where it cannot go on.
    """
    from openr1.tracking import mlflow as tracking

    silence_third_party()
    check_machine(config)
    tracking.check_store(config.tracking)
    named, config = config, with_local_checkpoint(config)
    taken = artifacts(named)
    if again := taken.get("answers"):  # its data are those of the answers, whatever the config has
        config, named = (replace(one, data=replace(one.data, name=again.data_name)) for one in (config, named))
    dataset = None
    if config.stage.trains:
        checkpoint = checkpoint_of(config.model, config.scale)
        if checkpoint and config.stage.kind != "pretrain":
            check_end_tokens(checkpoint, config.model.revision, config.data.chat)
    if config.stage.trains and not config.stage.rollouts:
        if config.stage.kind != "sft" and config.budget.epochs is None:
            resolve(config)  # an impossible budget is refused before the data are tokenised
        dataset = prepare_dataset(config)
    estimate = estimate_run(config, dataset)
    if estimate.budget:
        observer.note(foreseen=estimate.summary())
    fingerprint, inputs = identify(named)
    branching.check(named, estimate.budget, inputs)
    kind = config.stage.kind
    store = Store(config.paths.artifacts)
    with store.lock(kind, fingerprint):
        artifact = store.find(kind, fingerprint)
        found = tracking.find(config.tracking, config.study, fingerprint) if artifact else None
        if artifact and config.stage.trains:
            observer.report_again(artifact.history(), config.stage.eval_every_tokens)
        if artifact and found:
            return Result(named, artifact, estimate, found, reused=True)

        if artifact is None and not is_distributed(config):
            stage_of(config)  # what it imports takes seconds, which are no part of the tracked run
        folder = store.partial(kind, fingerprint)
        resume = _started(artifact.path if artifact else folder, config.study)
        tags = {
            "role": "stage",
            "stage": kind,
            "trial": trial,
            "family": estimate.shape.family if estimate.shape else None,
            "scale": size_of(estimate.shape, config.model, config.scale) if estimate.shape else None,
            "data": config.data.name,
            "seed": config.seed,
            "config_hash": digest(to_dict(named))[:16],
            "fingerprint": fingerprint,
            **{f"input.{name}": value for name, value in inputs.items()},
            "artifact": store.path(kind, fingerprint).absolute(),
        }
        tags = {key: value for key, value in tags.items() if value is not None}
        params = {**to_dict(named), "budget.resolved": estimate.summary()}
        with tracking.track(
            config.tracking, config.study, title(config, estimate), tags, params, to_dict(named), resume, parent
        ) as tracked:
            if dataset and not resume:
                tracked.log_dataset(config.data.name, dataset.fingerprint[:16], dataset.summary(), "training")
            reused = artifact is not None
            if artifact is None:
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / STARTED, {"study": config.study, "run_id": tracked.run_id})
                branching.note(folder, named, estimate.budget, inputs)
                context = StageContext(config, taken, estimate, folder, tracked, dataset)
                metrics = launch(context, quiet) if is_distributed(config) else perform(context, quiet)
                observer.spend(tracked.run_id, _own_flops(kind, metrics), metrics.get("wall_seconds", 0.0))
                artifact = store.publish(Artifact(kind, fingerprint, inputs, metrics), SCRATCH)
                if is_distributed(config):  # its processes have nobody who watches
                    observer.report_again(artifact.history(), config.stage.eval_every_tokens)
            else:
                for row in artifact.history():
                    tracked.log({key: value for key, value in row.items() if key not in ("step", "seconds")}, row["step"])
            steps = estimate.budget.steps if estimate.budget else 0
            tracked.summarise(artifact.metrics, int(artifact.metrics.get("steps", steps)))
            for path in artifact.shown():
                tracked.log_file(path)
            content = "model_sha256" if config.stage.makes == "model" else "data_sha256"
            tracked.tag(**{content: artifact.sha256()}, reused=reused)
    return Result(named, artifact, estimate, tracked.run_id, reused)


def title(config: Config, estimate: RunEstimate) -> str:
    """What a run is called in MLflow."""
    who = [estimate.shape.family, size_of(estimate.shape, config.model, config.scale)] if estimate.shape else []
    if estimate.budget:
        return "-".join([*who, f"{estimate.flops:.2g}FLOPs", f"s{config.seed}"])
    return "-".join([config.stage.kind, *who, config.data.name, f"s{config.seed}"])


def _started(folder: Path, study: str) -> str | None:
    """The tracked run of a run of the same study that was killed before it was finished there."""
    path = folder / STARTED
    started = json.loads(path.read_text()) if path.exists() else {}
    return started.get("run_id") if started.get("study") == study else None


def silence_third_party() -> None:
    """Libraries speak of what a user of ours can do nothing about; errors still come through."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(transformers|trl|torch|accelerate)\.")
    for name in ("transformers", "trl", "datasets", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # which sets its own level when it is imported
    logging.getLogger("DeepSpeed").addFilter(lambda record: record.levelno >= logging.ERROR)


def _own_flops(kind: str, metrics: dict[str, float]) -> float:
    """What a stage itself has cost: an evaluation carries on the FLOPs of its model, and a branch counts those of its trunk."""
    return metrics.get("flops_eval", 0.0) if kind == "evaluate" else metrics.get("flops_new", metrics.get("flops", 0.0))
