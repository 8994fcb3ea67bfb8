"""A run before it is run: its stages, whether they are done, and what they cost as far as that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openr1.artifacts import Artifact, Store
from openr1.config.recipe import Stage, stages
from openr1.config.schema import Config
from openr1.distributed.launcher import check_machine
from openr1.models.shape import Shape
from openr1.runs.dataset import prepare_dataset
from openr1.runs.estimate import RunEstimate, estimate_run
from openr1.runs.fingerprint import identify, references, with_local_checkpoint
from openr1.tracking.progress import share_done
from openr1.training import branching


@dataclass(frozen=True)
class PlannedStage(Stage):
    """One stage: what it will do, and whether that is done."""

    estimate: RunEstimate

    @property
    def store(self) -> Store:
        return Store(self.config.paths.artifacts)

    @property
    def artifact_name(self) -> str:
        return f"{self.config.stage.kind}-{self.fingerprint}"

    @property
    def partial(self) -> Path:
        return self.store.partial(self.config.stage.kind, self.fingerprint)

    def artifact(self) -> Artifact | None:
        return self.store.find(self.config.stage.kind, self.fingerprint)

    def share_done(self) -> float:
        """As far as anyone has said."""
        return share_done(self.store, self.config.stage.kind, self.fingerprint)


def ordered(config: Config) -> Iterator[Stage]:
    """The stages of a run, in order: those of its recipe, or its one."""
    if config.recipe is None:
        yield Stage("", config, *identify(config))
    else:
        yield from stages(config, identify)


def plan(config: Config) -> list[PlannedStage]:
    """The stages of a run. Prepares the data of those whose inputs are there.

    :raises ConfigError: for the first that cannot run.
    """
    shapes: dict[str, Shape | None] = {}
    planned = []
    for stage in ordered(config):
        check_machine(stage.config)
        store = Store(stage.config.paths.artifacts)
        unmade = any(store.get(reference) is None for _, reference in references(stage.config).values())
        ready = stage.config if unmade else with_local_checkpoint(stage.config)
        reads = stage.config.stage.trains and not stage.config.stage.rollouts
        dataset = prepare_dataset(ready) if reads and not unmade else None
        estimate = estimate_run(ready, dataset, shapes)
        if not unmade:
            branching.check(stage.config, estimate.budget, stage.inputs)
        planned.append(PlannedStage(stage.name, stage.config, stage.fingerprint, stage.inputs, estimate))
        if stage.config.stage.makes == "model":
            shapes[planned[-1].artifact_name] = estimate.shape
    return planned
