"""One trial of a study: a run of one stage, or of the steps of a recipe under one tracked run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.config.recipe import RecipeStep
from openr1.config.schema import to_dict
from openr1.data.hashing import digest
from openr1.evaluation.recipe_table import FILE, FinishedStage, recipe_table
from openr1.options import flatten
from openr1.runs import record
from openr1.runs.description import main_params, run_title, trial_title
from openr1.runs.plan import run_steps
from openr1.runs.prepare import PreparedRun, check_can_begin, prepare
from openr1.runs.stage_run import StageResult, execute, own_flops, run_stage, silence_third_party
from openr1.tracking import observer
from openr1.tracking.params import split_facts

if TYPE_CHECKING:
    from openr1.config.schema import Config


AMOUNTS = ("flops", "tokens", "unique_tokens", "epochs")  # beginnings of names that mean nothing in a mix of stages


@dataclass(frozen=True)
class TrialResult:
    """A finished trial.

    :ivar stages: results by the name of the step; a run of one stage has one result, under the name "".
    :ivar run_id: the tracked run of the recipe, or of the one stage.
    :ivar record: the file of its record (:mod:`openr1.runs.record`).
    """

    stages: dict[str, StageResult]
    run_id: str
    record: Path = Path()

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of all stages as :func:`named_metrics` names them. ``wall_seconds`` is their sum."""
        metrics = named_metrics({step: result.metrics for step, result in self.stages.items()})
        return metrics | {"wall_seconds": sum(result.metrics.get("wall_seconds", 0.0) for result in self.stages.values())}

    def tracked_metrics(self) -> dict[str, float]:
        """Return the metrics of the tracked run of a recipe.

        ``flops``, ``tokens`` and ``wall_seconds`` are totals over the stages, of what each spent itself. Results without the
        name of a step are those of the last stage that trains and of the evaluations after it; ``STEP.NAME`` are
        those of each stage.
        """
        stages = list(self.stages.items())
        trained = [number for number, (_, result) in enumerate(stages) if result.config.stage.trains]
        own: dict[str, float] = {}
        for _, result in stages[trained[-1] if trained else 0 :]:
            own |= {name: value for name, value in result.metrics.items() if not name.startswith(AMOUNTS)}
        training = [result for _, result in stages if result.config.stage.trains]
        own["flops"] = sum(own_flops(result.artifact.kind, result.metrics) for result in self.stages.values())
        own["tokens"] = sum(result.metrics.get("tokens", 0.0) for result in training)
        own["wall_seconds"] = self.metrics["wall_seconds"]
        for step, result in stages:
            own |= {f"{step}.{name}": value for name, value in split_facts(result.metrics)[0].items()}
        return own

    @property
    def value(self) -> float | None:
        """The final evaluation loss, which a sweeper minimises."""
        return self.metrics.get("eval_loss")

    @property
    def reused(self) -> bool:
        return all(result.reused for result in self.stages.values())


def named_metrics(stages: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the metrics of all stages: a later stage's in place of an earlier one's, and of a recipe each as ``STEP.NAME``
    too.
    """
    metrics = {name: value for of_stage in stages.values() for name, value in of_stage.items()}
    return metrics | {f"{step}.{name}": value for step, own in stages.items() if step for name, value in own.items()}


def trial_fingerprint(config: Config, steps: Sequence[RecipeStep | PreparedRun]) -> str:
    """Return the fingerprint of a trial: of its steps together, or of its one stage."""
    is_recipe = config.recipe is not None
    return record.fingerprint_of([(step.name if is_recipe else "", step.config.stage.kind, step.fingerprint) for step in steps])


def finished_metrics(config: Config, steps: Sequence[PreparedRun]) -> dict[str, float] | None:
    """Return the metrics of a trial that its study has already, by :func:`named_metrics`; None if something is left to do."""
    from openr1.tracking import mlflow as tracking

    artifacts = [artifact for step in steps if (artifact := step.artifact())]
    if len(artifacts) < len(steps):
        return None
    if not tracking.find(config.tracking, config.study, trial_fingerprint(config, steps)):
        return None
    named = zip(steps, artifacts, strict=True)
    return named_metrics({step.name if config.recipe else "": artifact.metrics for step, artifact in named})


def run_trial(config: Config, trial: str = "", quiet: bool = False) -> TrialResult:
    """Run what is left to do of a trial. Steps whose artifacts exist are not run again, even if another study made them.

    :param trial: its name within the study, for people.
    :param quiet: show no progress on the terminal.
    :raises ConfigError: before anything is written, if a run is impossible.
    :raises RunError: if a run cannot go on.
    """
    if config.recipe is None:
        result = run_stage(config, trial, quiet)
        return _recorded(TrialResult({"": result}, result.run_id), config, trial, result.artifact.fingerprint)
    from openr1.tracking import mlflow as tracking

    silence_third_party()
    steps = list(run_steps(config))
    for step in steps:
        check_can_begin(step.config, (step.fingerprint, step.inputs))
    tracking.check_store(config.tracking)
    tracking.send_kept(config.tracking, Path(config.paths.artifacts))
    tracking.end_dead_runs(config.tracking)
    fingerprint = trial_fingerprint(config, steps)
    if finished := tracking.find(config.tracking, config.study, fingerprint):
        done = TrialResult({step.name: _execute(step, trial, quiet=True) for step in steps}, finished)
        return _recorded(done, config, trial, fingerprint)
    resolved = to_dict(config)
    begun = tracking.find(config.tracking, config.study, fingerprint, tracking.UNFINISHED)
    family = steps[-1].config.model.family
    name = trial_title(config, family, observer.label())
    tags: dict[str, object] = {
        "role": "trial",
        "stage": "recipe",
        "recipe": config.recipe.name,
        "trial": trial,
        "fingerprint": fingerprint,
    }
    tags |= {"scale": config.scale.name, "data": config.data.name, "seed": config.seed, "family": family}
    tags |= {"config_hash": digest(resolved)[:16]}
    last_trained = next((step for step in reversed(steps) if step.config.stage.trains), None)
    keep = Path(config.paths.artifacts)
    shown = main_params(trial, flatten(resolved))
    with tracking.track(config.tracking, config.study, name, tags, resolved, resolved, begun, None, keep, shown) as tracked:
        results: dict[str, StageResult] = {}
        for number, step in enumerate(steps, start=1):
            if not quiet:
                print(f"{step.name} ({number} of {len(steps)}): {step.config.stage.kind}", file=sys.stderr)
            with nullcontext() if step is last_trained else observer.unreported():
                results[step.name] = _execute(step, trial, quiet, tracked.run_id)
            tracked.tag(**{f"step.{step.name}": results[step.name].run_id})
        trial_result = TrialResult(results, tracked.run_id)
        tracked.log_results(trial_result.tracked_metrics(), 0)
        if (table := recipe_table(finished_stages(results))).rows:
            tracked.log_text(table.markdown(), FILE)
    return _recorded(trial_result, config, trial, fingerprint)


def finished_stages(results: Mapping[str, StageResult]) -> list[FinishedStage]:
    """Return the finished stages of a recipe as the table of its evaluations takes them."""
    return [
        FinishedStage(
            name,
            result.config.stage.kind,
            result.config.stage.makes,
            result.artifact.name,
            result.config.model.checkpoint,
            result.metrics,
        )
        for name, result in results.items()
    ]


def _execute(step: RecipeStep, trial: str, quiet: bool, parent: str | None = None) -> StageResult:
    return execute(prepare(step.config, step.name, (step.fingerprint, step.inputs)), trial, quiet, parent)


def _recorded(result: TrialResult, config: Config, trial: str, fingerprint: str) -> TrialResult:
    """Write the record of a finished trial, unless it is there, and tell the observer of the trial."""
    path = record.folder_of(config.paths.studies, config.study) / f"{fingerprint}.json"
    if not (result.reused and path.exists()):
        record.write(trial_record(result, config, trial, fingerprint), path)
    observer.note(metrics=result.metrics, run_id=result.run_id)
    return replace(result, record=path)


def trial_record(result: TrialResult, config: Config, trial: str, fingerprint: str) -> record.RunRecord:
    """Return the record of a finished trial."""
    stages = [record.stage_record(name, stage.config, stage.artifact, stage.run_id) for name, stage in result.stages.items()]
    last = result.stages[stages[-1].name]
    label = observer.label()
    name = (
        trial_title(config, last.config.model.family, label) if config.recipe else run_title(config, last.estimate, label=label)
    )
    recipe = to_dict(config) if config.recipe else None
    return record.RunRecord(name, config.study, trial, fingerprint, stages, recipe, result.run_id)
