"""Executes one prepared run of one stage, and tracks it. What exists already is not made again."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.config.schema import to_dict
from openr1.data.answers import first_answers
from openr1.distributed.devices import asking_device
from openr1.distributed.launcher import RANKS, is_distributed, launch, launched_compute
from openr1.options import flatten
from openr1.runs.description import artifact_tag, main_params, run_tags, run_title
from openr1.runs.fingerprint import training_parts
from openr1.runs.prepare import PreparedRun, prepare
from openr1.runs.record import beginning
from openr1.runs.requirements import check_build
from openr1.stages import stage_module
from openr1.stages.options import STAGES
from openr1.system.artifacts import NAME, STARTED, Artifact
from openr1.system.faults import writing
from openr1.system.files import write_json
from openr1.system.records import DamagedFile, read_json
from openr1.tracking import observer
from openr1.tracking.outbox import UNSENT
from openr1.tracking.progress import Reporter
from openr1.tracking.relay import OBSERVED, Repeater
from openr1.training import branching
from openr1.training.context import RunEstimate, StageContext

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.training.budget import Budget

SCRATCH = (
    "checkpoints",
    "answers",
    "verdicts",
    RANKS,
    UNSENT,
    Reporter.FILE,
)  # needed only to resume; not part of the artifact


MODELS = ("model", "reward_model")  # contents of artifacts that have a model


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its artifact, and where it is tracked."""

    config: Config
    artifact: Artifact
    estimate: RunEstimate
    run_id: str
    reused: bool  # the artifact existed already

    @property
    def metrics(self) -> dict[str, float]:
        return self.artifact.metrics

    @property
    def budget(self) -> Budget | None:
        """The budget of training."""
        return self.estimate.budget


def run_stage(config: Config, trial: str = "", quiet: bool = False) -> StageResult:
    """Prepare and execute a run of one stage.

    :param trial: the name of the trial within its study, for people.
    :param quiet: show no progress on the terminal; the file beside the run is still written.
    :raises ConfigError: before anything is written, if the run is impossible.
    :raises RunError: if it cannot go on.
    """
    from openr1.tracking import mlflow as tracking

    silence_third_party()
    tracking.check_store(config.tracking)
    tracking.send_kept(config.tracking, Path(config.paths.artifacts))
    tracking.end_dead_runs(config.tracking)
    return execute(prepare(config), trial, quiet)


def execute(run: PreparedRun, trial: str = "", quiet: bool = False, parent: str | None = None) -> StageResult:
    """Make the artifact of a prepared run, unless it exists, and make sure that the study has its tracked run.

    :param parent: tracked run of the recipe that this is a step of; None for the study's.
    :raises RunError: if the run cannot go on.
    """
    from openr1.tracking import mlflow as tracking

    config, estimate, kind = run.config, run.estimate, run.kind
    if estimate.budget:
        observer.note(estimated=estimate.summary())
    with writing(run.store.root), run.store.lock(kind, run.fingerprint):
        artifact = run.artifact()
        tracked_id = tracking.find(config.tracking, config.study, run.fingerprint) if artifact else None
        if artifact and config.stage.trains:
            observer.report_again(artifact.history(), config.stage.eval_every_tokens)
        if artifact and tracked_id:
            return StageResult(config, artifact, estimate, tracked_id, reused=True)

        if artifact is None:
            check_build(run.local_config, estimate.shape)
            if not is_distributed(config):
                stage_module(kind)  # its imports take seconds, which are no part of the tracked run
        resume = _tracked_before(artifact.path if artifact else run.partial, run)
        params = {**to_dict(config), "budget.resolved": estimate.summary()}
        tracked_run = tracking.track(
            config.tracking,
            config.study,
            run_title(config, estimate, run.name, observer.label()),
            run_tags(run, trial),
            params,
            to_dict(config),
            resume,
            parent,
            run.store.root,
            main_params(trial, flatten(params)),
        )
        with tracked_run as tracked:
            _log_data(run, tracked)
            reused = artifact is not None
            if artifact is None:
                artifact = _make(run, tracked, quiet)
            else:
                for row in artifact.history():
                    tracked.log({key: value for key, value in row.items() if key not in ("step", "seconds")}, int(row["step"]))
            steps = estimate.budget.steps if estimate.budget else 0
            tracked.log_results(artifact.metrics, int(artifact.metrics.get("steps", steps)))
            for path in artifact.shown():
                tracked.log_file(path)
            tracked.log_table(first_answers(artifact.path) if kind == "evaluate" else [], "answers.json", 0)
            content = "model_sha256" if config.stage.trains else "data_sha256"
            tracked.tag(**{content: artifact.sha256()}, reused=reused)
            if config.tracking.lineage and config.stage.makes in MODELS:
                tracked.log_model()
    return StageResult(config, artifact, estimate, tracked.run_id, reused)


def _log_data(run: PreparedRun, tracked) -> None:
    """Log the data of a run as its input: tokens, or problems."""
    name, dataset = run.config.data.name, run.dataset
    if dataset:
        tracked.log_dataset(name, dataset.fingerprint[:16], dataset.summary(), "training")
    elif problems := run.inputs.get("problems"):
        context = "training" if run.config.stage.trains else run.kind
        tracked.log_dataset(name, problems[:16], {"sources": sorted(run.config.data.sources)}, context)
    for model in ("model", "trunk"):
        if NAME.fullmatch(made := run.inputs.get(model, "")):
            tracked.tag(parent_artifact=made)
    if run.config.tracking.lineage:
        tracked.log_model_inputs(artifact.name for artifact in run.artifacts.values() if STAGES[artifact.kind].makes in MODELS)


def _make(run: PreparedRun, tracked, quiet: bool) -> Artifact:
    """Run the stage in the partial directory, and publish it."""
    folder, kind, distributed = run.partial, run.kind, is_distributed(run.config)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / STARTED, beginning(run.config.study, tracked.run_id, to_dict(run.config)), sort=False)
    if run.config.stage.trains:
        parts = training_parts(run.config, run.inputs)
        branching.write_beginning(folder, run.config, run.estimate.budget, parts, run.inputs)
    if distributed:
        about = {"folder": str(folder), "quiet": quiet, "run_id": tracked.run_id, "first_step": tracked.first_step}
        about |= {"fingerprint": run.fingerprint, "inputs": run.inputs, "asking_device": asking_device(run.config)}
        repeater = Repeater(folder / RANKS / OBSERVED)
        try:
            metrics = launch(folder, launched_compute(run.config), to_dict(run.config), about, repeater)
        finally:
            repeater.finish()
            tracked.take(folder)
    else:
        with writing(folder):
            metrics = run_in_process(stage_context(run, folder, tracked), quiet)
    observer.spend(tracked.run_id, own_flops(kind, metrics), metrics.get("wall_seconds", 0.0))
    return run.store.publish(Artifact(kind, run.fingerprint, run.inputs, metrics), SCRATCH)


def stage_context(run: PreparedRun, folder: Path, tracked) -> StageContext:
    """Return what the stage of a prepared run is given."""
    return StageContext(run.local_config, run.artifacts, run.estimate, folder, tracked, run.dataset)


def run_in_process(context: StageContext, quiet: bool) -> dict[str, float]:
    """Run a stage in this process and report its progress.

    :returns: the metrics of the stage.
    """
    kind = context.config.stage.kind
    with Reporter(context.folder, kind, context.estimate.units or 0, quiet) as report:
        return stage_module(kind).run(replace(context, report=report))


def _tracked_before(folder: Path, run: PreparedRun) -> str | None:
    """Return the tracked run of an earlier attempt of the same study that was killed, if there is one."""
    from openr1.tracking import mlflow as tracking

    with suppress(DamagedFile):  # it is missing, or was changed
        started = read_json(folder / STARTED)
        if started["study"] == run.config.study:
            return started["run_id"]
    # this process holds the lock of the artifact, so that whoever began to make or track it is dead
    tags = {"artifact": artifact_tag(run)}
    return tracking.find(run.config.tracking, run.config.study, run.fingerprint, tracking.UNFINISHED, **tags)


def silence_third_party() -> None:
    """Silence warnings of libraries that users cannot act on; errors still come through."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(transformers|trl|torch|accelerate)\.")
    for name in ("transformers", "trl", "datasets", "accelerate"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # DeepSpeed sets its own level when it is imported
    logging.getLogger("DeepSpeed").addFilter(lambda record: record.levelno >= logging.ERROR)


def own_flops(kind: str, metrics: dict[str, float]) -> float:
    """Return the FLOPs that a stage spent itself: an evaluation carries those of its model, a branch those of its trunk."""
    return metrics.get("flops_eval", 0.0) if kind == "evaluate" else metrics.get("flops_new", metrics.get("flops", 0.0))
