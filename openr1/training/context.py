"""Context of a stage: its config, its inputs, the estimate of its run, and its folder and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.models.shape import Shape, count
from openr1.system.artifacts import Artifact
from openr1.training.budget import Budget, TokenBudget

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data import Dataset
    from openr1.distributed.work_queue import WorkQueue
    from openr1.tracking.mlflow import Run


@dataclass(frozen=True)
class RunEstimate:
    """Amounts of one run before it starts; None where an amount is not known yet."""

    units: int | None  # optimiser steps, or answers
    shape: Shape | None = None  # shape of the model that is trained or asked
    tokens: float | None = None  # tokens trained on, or generated at most
    flops: float | None = None  # FLOPs of training, or of the answers at most
    budget: Budget | None = None  # budget of training
    first_step: int = 0  # steps taken over from a trunk; tokens and flops include them

    @property
    def flops_new(self) -> float | None:
        """Return the FLOPs that this run spends itself, without the steps taken over from a trunk."""
        if self.flops is None or not isinstance(self.budget, TokenBudget):
            return self.flops
        return self.flops - self.first_step * self.budget.batch_tokens * self.budget.flops_per_token

    @property
    def params(self) -> int | None:
        """Return the number of non-embedding parameters of the model."""
        return count(self.shape).non_embedding if self.shape else None

    def summary(self) -> dict[str, float]:
        """Return the known amounts by the names that runs are tracked under."""
        if self.budget:
            return self.budget.summary()
        shape = {f"shape.{key}": value for key, value in asdict(self.shape).items() if value is not None} if self.shape else {}
        known = {"answers": self.units, "tokens": self.tokens, "flops": self.flops}
        return {key: value for key, value in known.items() if value is not None} | shape


@dataclass(frozen=True)
class StageContext:
    """Arguments of a stage.

    :ivar inputs: artifacts that the stage takes, by the names of its inputs.
    :ivar folder: directory that becomes the artifact.
    :ivar dataset: tokenised data of a stage that trains on given tokens.
    :ivar report: called with a step (of the optimiser, or the number of an answer or row) and the metrics measured there
        (:class:`openr1.tracking.progress.Reporter`).
    :ivar queue: the work that the processes of a stage that asks a model share; None for one process.
    """

    config: Config
    inputs: dict[str, Artifact]
    estimate: RunEstimate
    folder: Path
    run: Run
    dataset: Dataset | None = None
    report: Callable[..., None] = lambda *progress, **more: None
    queue: WorkQueue | None = None

    @property
    def budget(self) -> Budget:
        """Return the budget of a stage that trains."""
        assert self.estimate.budget is not None
        return self.estimate.budget

    @property
    def token_budget(self) -> TokenBudget:
        """Return the budget of a stage that trains on given tokens."""
        assert isinstance(self.estimate.budget, TokenBudget)
        return self.estimate.budget

    @property
    def tokens(self) -> Dataset:
        """Return the tokenised data of a stage that trains on given tokens."""
        assert self.dataset is not None
        return self.dataset

    @property
    def flops_teacher(self) -> float | None:
        """Return the FLOPs that the teachers of its inputs spent; None if no input says. FLOPs of shared inputs count twice."""
        known = [artifact.metrics["flops_teacher"] for artifact in self.inputs.values() if "flops_teacher" in artifact.metrics]
        return sum(known) if known else None
