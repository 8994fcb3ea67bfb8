"""What a run will do, before it does it: how much, with which model, at what cost.

Training is known exactly, answers at most: a model may stop before ``stage.sampling.max_tokens``. What depends on an artifact
that is not made yet, such as the tokens of an epoch of it, is not known, and said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from openr1.config.schema import Config
from openr1.models import flops
from openr1.models.checkpoints import UnknownFamily, checkpoint_of, checkpoint_shape
from openr1.models.shape import Shape, count
from openr1.rl import budget as rl_budget
from openr1.runs.dataset import problems_extent
from openr1.runs.fingerprint import asks_model, served, with_local_checkpoint
from openr1.training import branching
from openr1.training.budget import Budget, form_of, resolve

if TYPE_CHECKING:
    from openr1.data import Dataset


@dataclass(frozen=True)
class RunEstimate:
    """What one run will do. ``None`` is not known."""

    units: int | None  # steps of the optimiser, or answers
    shape: Shape | None = None  # of the model at work, where there is one
    tokens: float | None = None  # that it is trained on, or writes at most
    flops: float | None = None  # of training, or of the answers at most
    budget: Budget | rl_budget.RlBudget | None = None  # of training
    first_step: int = 0  # that a trunk has done before; they count in tokens and flops

    @property
    def flops_new(self) -> float | None:
        """What is left where a trunk has done the first steps."""
        done = self.first_step * self.budget.batch_tokens * self.budget.flops_per_token if self.first_step else 0.0
        return None if self.flops is None else self.flops - done

    @property
    def params(self) -> int | None:
        """Non-embedding parameters of the model at work."""
        return count(self.shape).non_embedding if self.shape else None

    def summary(self) -> dict[str, float]:
        """The figures by the names that runs are tracked under."""
        if self.budget:
            return self.budget.summary()
        shape = {f"shape.{key}": value for key, value in asdict(self.shape).items() if value is not None} if self.shape else {}
        known = {"answers": self.units, "tokens": self.tokens, "flops": self.flops}
        return {key: value for key, value in known.items() if value is not None} | shape


def estimate_run(
    config: Config, dataset: Dataset | None = None, shapes: Mapping[str, Shape | None] | None = None
) -> RunEstimate:
    """The work of a run.

    :param dataset: what it trains on, where that is prepared.
    :param shapes: of models that are not made yet, by the names of their artifacts.
    :raises ConfigError: where the run cannot be.
    """
    reference = checkpoint_of(config.model, config.scale)
    unmade = reference in (shapes or {})
    if config.stage.rollouts:
        extent = problems_extent(config)
        budget = (
            rl_budget.resolve(config, extent, shapes[reference])
            if unmade
            else rl_budget.resolve(with_local_checkpoint(config), extent)
        )
        return RunEstimate(budget.steps, budget.shape, budget.tokens, budget.flops, budget)
    if config.stage.trains:
        form = shapes[reference] if unmade else None
        if dataset is None and config.budget.epochs is not None:
            return RunEstimate(None, form or form_of(with_local_checkpoint(config)))
        budget = resolve(config if unmade else with_local_checkpoint(config), dataset, form)
        first = branching.first_step(config, budget)
        branching.kept_steps(config, budget, first)
        return RunEstimate(budget.steps - first, budget.shape, budget.tokens, budget.flops, budget, first)
    if config.stage.kind == "curate" or getattr(config.stage, "answers", None):
        return RunEstimate(None, flops=0.0)
    extent = problems_extent(config)
    answers = extent.problems * config.stage.samples
    if not asks_model(config):
        return RunEstimate(answers, flops=0.0)
    shape = shapes[reference] if unmade else model_shape(config)
    new = config.stage.sampling.max_tokens
    cost = None
    if shape is not None:
        # a token has at least one byte
        cost = answers * flops.generation_flops(shape, round(extent.prompt_bytes), new)
    return RunEstimate(answers, shape, float(answers * new), cost)


def model_shape(config: Config) -> Shape | None:
    """The shape of the model that a run asks; None where it is behind a server, or of a family that is not ours.

    :raises ConfigError: where it is not there.
    """
    if served(config):
        return None
    config = with_local_checkpoint(config)
    try:
        return checkpoint_shape(config.model, config.scale, 0)
    except UnknownFamily:
        return None
