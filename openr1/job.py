"""What a stage is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.artifacts import Artifact
from openr1.budget import Budget
from openr1.config import Config
from openr1.rl.budget import RlBudget
from openr1.work import Work

if TYPE_CHECKING:
    from openr1.data import Dataset
    from openr1.tracking import Run


@dataclass(frozen=True)
class Job:
    """One run: its config, what it takes, what follows from both, and where to write and report.

    :ivar inputs: the artifacts that it takes, by the names of its inputs.
    :ivar folder: becomes the artifact.
    :ivar dataset: what a training stage trains on.
    :ivar report: called with a step (of the optimiser, an answer or a row) and what was measured there, as
        :class:`openr1.progress.Reporter` is.
    """

    config: Config
    inputs: dict[str, Artifact]
    work: Work
    folder: Path
    run: Run
    report: Callable[..., None]
    dataset: Dataset | None = None

    @property
    def budget(self) -> Budget | RlBudget:
        return self.work.budget

    @property
    def flops_teacher(self) -> float | None:
        """What the answers among its inputs cost their teachers; None where none says. What two of them share counts twice."""
        known = [artifact.metrics["flops_teacher"] for artifact in self.inputs.values() if "flops_teacher" in artifact.metrics]
        return sum(known) if known else None
