"""What a stage is given, and how it is run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from openr1.artifacts import Artifact
from openr1.config.schema import Config
from openr1.rl.budget import RlBudget
from openr1.runs.estimate import RunEstimate
from openr1.tracking.progress import Reporter
from openr1.training.budget import Budget

if TYPE_CHECKING:
    from openr1.data import Dataset
    from openr1.tracking.mlflow import Run


@dataclass(frozen=True)
class StageContext:
    """One run: its config, what it takes, what follows from both, and where to write and report.

    :ivar inputs: the artifacts that it takes, by the names of its inputs.
    :ivar folder: becomes the artifact.
    :ivar dataset: what a training stage trains on.
    :ivar report: called with a step (of the optimiser, an answer or a row) and what was measured there, as
        :class:`openr1.tracking.progress.Reporter` is, which :func:`perform` puts there.
    """

    config: Config
    inputs: dict[str, Artifact]
    estimate: RunEstimate
    folder: Path
    run: Run
    dataset: Dataset | None = None
    report: Callable[..., None] = lambda *said: None

    @property
    def budget(self) -> Budget | RlBudget:
        return self.estimate.budget

    @property
    def flops_teacher(self) -> float | None:
        """What the answers among its inputs cost their teachers; None where none says. What two of them share counts twice."""
        known = [artifact.metrics["flops_teacher"] for artifact in self.inputs.values() if "flops_teacher" in artifact.metrics]
        return sum(known) if known else None


def perform(context: StageContext, quiet: bool) -> dict[str, float]:
    """Run the stage of a job in this process, with its progress; its figures."""
    with Reporter(context.folder, context.config.stage.kind, context.estimate.units or 0, quiet) as report:
        return stage_of(context.config).run(replace(context, report=report))


def stage_of(config: Config) -> ModuleType:
    """The module of a stage: its ``run`` takes a job, fills its folder, and returns its figures."""
    return importlib.import_module(f"openr1.stages.{config.stage.kind}")
