"""One trial of a study: a stage, or the stages of a recipe in one tracked run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from openr1.config.recipe import Stage
from openr1.config.schema import Config, to_dict
from openr1.data.hashing import digest
from openr1.distributed.launcher import check_machine
from openr1.evaluation.recipe_table import FILE, FinishedStage, markdown, recipe_rows
from openr1.runs.plan import PlannedStage, ordered
from openr1.runs.stage_run import Result, run, silence_third_party
from openr1.tracking import observer


@dataclass(frozen=True)
class Trial:
    """A finished trial.

    :ivar stages: by the name of the step; of a run without a recipe one, by the name "".
    :ivar run_id: where it is tracked: the recipe's run, or that of its one stage.
    """

    stages: dict[str, Result]
    run_id: str

    @property
    def metrics(self) -> dict[str, float]:
        """Of all stages; where several have a figure of one name, the last one's. ``wall_seconds`` is their sum."""
        found: dict[str, float] = {}
        for result in self.stages.values():
            found |= result.metrics
        return found | {"wall_seconds": sum(result.metrics.get("wall_seconds", 0.0) for result in self.stages.values())}

    @property
    def value(self) -> float | None:
        """What a sweeper minimises: the final evaluation loss."""
        return self.metrics.get("eval_loss")

    @property
    def reused(self) -> bool:
        return all(result.reused for result in self.stages.values())


def trial_fingerprint(config: Config, stages: Sequence[Stage]) -> str:
    """The fingerprint of a trial: of a recipe's stages together, or of its one stage."""
    if config.recipe is None:
        return stages[0].fingerprint
    return digest([[stage.name, stage.config.stage.kind, stage.fingerprint] for stage in stages])[:16]


def done(config: Config, stages: Sequence[PlannedStage]) -> dict[str, float] | None:
    """The figures of a trial that its study has already; None where there is something to do."""
    from openr1.tracking import mlflow as tracking

    artifacts = [stage.artifact() for stage in stages]
    if not all(artifacts) or not tracking.find(config.tracking, config.study, trial_fingerprint(config, stages)):
        return None
    return {name: value for artifact in artifacts for name, value in artifact.metrics.items()}


def make(config: Config, trial: str = "", quiet: bool = False) -> Trial:
    """Run what is not done of a trial. The stages of a recipe are found by their fingerprints, whoever made them.

    :param trial: what sets it apart within its study, for people.
    :param quiet: no progress on the terminal.
    :raises ConfigError: before anything is written, for a config that cannot run.
    :raises RunError: where it cannot go on.
    """
    if config.recipe is None:
        result = run(config, trial, quiet)
        return _noted(Trial({"": result}, result.run_id))
    from openr1.tracking import mlflow as tracking

    silence_third_party()
    stages = list(ordered(config))
    for stage in stages:
        check_machine(stage.config)
    tracking.check_store(config.tracking)
    fingerprint = trial_fingerprint(config, stages)
    found = tracking.find(config.tracking, config.study, fingerprint)
    if found:
        return _noted(Trial({stage.name: run(stage.config, trial, quiet=True) for stage in stages}, found))
    last = stages[-1].config
    main = next((stage for stage in reversed(stages) if stage.config.stage.trains), None)
    tags = {"role": "trial", "stage": "recipe", "recipe": config.recipe.name, "trial": trial, "fingerprint": fingerprint}
    tags |= {"scale": config.scale.name, "data": config.data.name, "seed": config.seed, "family": last.model.family}
    tags |= {"config_hash": digest(to_dict(config))[:16]}
    begun = tracking.find(config.tracking, config.study, fingerprint, finished=False)
    name = f"{config.recipe.name}-{last.model.family}-{config.scale.name}-s{config.seed}"
    resolved = to_dict(config)
    with tracking.track(config.tracking, config.study, name, tags, resolved, resolved, begun) as tracked:
        results: dict[str, Result] = {}
        for number, stage in enumerate(stages, start=1):
            if not quiet:
                print(f"{stage.name} ({number} of {len(stages)}): {stage.config.stage.kind}", file=sys.stderr)
            with nullcontext() if stage is main else observer.unreported():
                results[stage.name] = run(stage.config, trial, quiet, tracked.run_id)
            tracked.tag(**{f"step.{stage.name}": results[stage.name].run_id})
        finished = Trial(results, tracked.run_id)
        tracked.summarise(finished.metrics, 0)
        if rows := recipe_rows(finished_stages(results)):
            tracked.log_text(markdown(rows), FILE)
    return _noted(finished)


def finished_stages(results: Mapping[str, Result]) -> list[FinishedStage]:
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


def _noted(trial: Trial) -> Trial:
    observer.note(metrics=trial.metrics, run_id=trial.run_id)
    return trial
