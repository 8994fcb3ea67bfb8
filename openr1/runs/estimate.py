"""Estimates of runs: steps, tokens, FLOPs and the model, before anything is trained.

Training is known exactly, answers at most: a model may stop before ``stage.sampling.max_tokens``. Amounts that depend on an
artifact that does not exist yet, such as the tokens of an epoch of it, are unknown (``None``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from openr1.models import flops
from openr1.models.checkpoints import UnknownFamily, checkpoint_of, checkpoint_shape
from openr1.models.shape import Shape
from openr1.rewards.preference import reward_shape
from openr1.rl import budget as rollout_budget
from openr1.runs.dataset import problems_extent
from openr1.runs.inputs import is_served, with_local_checkpoint
from openr1.stages.scoring_models import scoring_models
from openr1.system.errors import ConfigError
from openr1.training import branching
from openr1.training.budget import initial_shape, resolve
from openr1.training.context import RunEstimate

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data import Dataset


def estimate_run(
    config: Config, dataset: Dataset | None = None, shapes: Mapping[str, Shape | None] | None = None
) -> RunEstimate:
    """Estimate a run.

    :param dataset: of a run that trains on tokens, if it is prepared.
    :param shapes: of models that do not exist yet, by the names of their artifacts.
    :raises ConfigError: if the run is impossible.
    """
    shapes = shapes or {}
    reference = checkpoint_of(config.model, config.scale)
    unmade = reference is not None and reference in shapes
    shape = shapes.get(reference or "")
    local = with_local_checkpoint(config, shapes)
    if config.stage.rollouts:
        reward_models = list(_reward_models(local, shapes))
        budget = rollout_budget.resolve(local, problems_extent(config), shape, reward_models)
        return RunEstimate(budget.steps, budget.shape, budget.tokens, budget.flops, budget)
    if config.stage.trains:
        if dataset is None and config.budget.epochs is not None:
            return RunEstimate(None, shape or initial_shape(local))
        token_budget = resolve(local, dataset, shape)
        first = branching.first_step(config, token_budget)
        branching.kept_steps(config, token_budget, first)
        units = token_budget.steps - first
        return RunEstimate(units, token_budget.shape, token_budget.tokens, token_budget.flops, token_budget, first)
    if config.stage.kind == "curate" or getattr(config.stage, "answers", None):
        return RunEstimate(None, flops=0.0)
    extent = problems_extent(config)
    answers = extent.problems * config.stage.samples
    if not config.stage.needs_model:
        return RunEstimate(answers, flops=0.0)
    shape = shape if unmade else _asked_shape(local)
    max_tokens = config.stage.sampling.max_tokens
    cost = None
    if shape is not None:
        prompt = round(extent.prompt_bytes)  # a token has at least one byte
        scoring = rollout_budget.reward_flops(list(_reward_models(local, shapes)), prompt + max_tokens)
        cost = answers * (flops.generation_flops(shape, prompt, max_tokens) + scoring)
    return RunEstimate(answers, shape, float(answers * max_tokens), cost)


def _reward_models(local: Config, shapes: Mapping[str, Shape | None]) -> Iterator[Shape]:
    """Yield the shapes of the reward models that score the answers of a run, those of an unknown family left out.

    :param local: the config with directories for the models that exist.
    :param shapes: of models that do not exist yet, by the names of their artifacts.
    :raises ConfigError: for a reward model that does not exist.
    """
    for one in scoring_models(local):
        if one.model is None or one.name == "gold":  # a judge's size is unknown; gold rewards measure and are not part of a run
            continue
        try:
            shape = shapes[one.model] if one.model in shapes else reward_shape(one.options)
        except ConfigError as error:  # names the key of the policy's model
            raise ConfigError(f"{one.key}.model: {str(error).removeprefix('model.checkpoint: ')}") from error
        if shape is not None:
            yield shape


def _asked_shape(config: Config) -> Shape | None:
    """Return the shape of the model that a run asks; None if it is behind a server, or of an unknown family."""
    if is_served(config):
        return None
    try:
        return checkpoint_shape(config.model, config.scale, 0)
    except UnknownFamily:
        return None
