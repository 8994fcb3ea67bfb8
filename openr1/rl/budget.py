"""Budget of reinforcement learning: the length of a run, and the most that it costs, since answers may end early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from openr1.data.problems import Extent
from openr1.models import flops
from openr1.models.shape import Shape, count
from openr1.rl.rules import splits_step
from openr1.training.budget import Budget, initial_shape
from openr1.training.parametrization import parametrization_of

if TYPE_CHECKING:
    from openr1.config.schema import Config


@dataclass(frozen=True, kw_only=True)
class RolloutBudget(Budget):
    """Amounts of one run of reinforcement learning.

    :ivar steps: optimiser steps; with a ``limit`` the fewest possible, since answers may end early.
    :ivar prompts: prompts of a rollout.
    :ivar samples: answers to a prompt.
    :ivar rollout_steps: optimiser steps that learn from one rollout.
    :ivar rollout_flops: most FLOPs of a rollout, of the reward models that score it, and of its updates.
    :ivar rollout_tokens: most tokens of the prompts and answers of a rollout.
    :ivar limit: FLOPs of rollouts, reward models and updates after which the run ends, with the rollout that reaches them.
    """

    prompts: int
    samples: int
    rollout_steps: int
    rollout_flops: float
    rollout_tokens: float
    limit: float | None = None

    @property
    def rollouts(self) -> int:
        """Return the number of rollouts."""
        return self.steps // self.rollout_steps

    @property
    def completions(self) -> int:
        """Return the number of answers that the policy learns from."""
        return self.rollouts * self.prompts * self.samples

    @property
    def tokens(self) -> float:
        """Return the most tokens of prompts and answers."""
        return self.rollouts * self.rollout_tokens

    @property
    def flops(self) -> float:
        """Return the most FLOPs of rollouts, reward models and updates."""
        return self.limit or self.rollouts * self.rollout_flops

    @property
    def max_steps(self) -> int:
        """Return the number of steps that the run never exceeds, since an answer has at least one token."""
        if self.limit is None:
            return self.steps
        least = self.prompts * self.samples * flops.generation_flops(self.shape, 1, 1)
        return self.rollout_steps * math.ceil(self.limit / least)

    def summary(self) -> dict[str, float]:
        """Return the resolved amounts by the names that runs are tracked under."""
        known = {"lr": self.lr, "steps": self.steps, "completions": self.completions, "tokens": self.tokens}
        shape = {f"shape.{key}": value for key, value in asdict(self.shape).items() if value is not None}
        return {**known, "flops": self.flops, **shape}


def resolve(config: Config, extent: Extent, shape: Shape | None = None, reward_models: Sequence[Shape] = ()) -> RolloutBudget:
    """Resolve the budget of ``stage=grpo``, rounded up to whole rollouts.

    :param extent: number and length of the problems.
    :param shape: shape of the model, if the run starts from one that does not exist yet.
    :param reward_models: shapes of the models that score each answer.
    """
    stage, given = config.stage, config.budget
    assert config.optim.lr is not None  # openr1.rl.validation.check_policy
    if shape is None:
        shape = initial_shape(config)
        parametrization_of(config, shape)  # refuses a base or a checkpoint that does not fit
    shape = replace(shape, mtp_depth=0)  # modules of an earlier stage are left out
    prompt, new = round(extent.prompt_bytes), min(stage.sampling.max_tokens, shape.context)  # a token has at least one byte
    answers, rollout_steps = stage.prompts * stage.samples, stage.updates * stage.passes
    answer_flops = AnswerFlops(config, shape).total(prompt, new) + reward_flops(reward_models, prompt + new)
    rollout_flops = answers * answer_flops
    if given.flops is not None:
        rollouts = math.ceil(given.flops / rollout_flops)
    elif given.steps is not None:
        rollouts = math.ceil(given.steps / rollout_steps)
    else:
        assert given.completions is not None
        rollouts = math.ceil(given.completions / answers)
    tokens = float(answers * (prompt + new))
    return RolloutBudget(
        shape=shape,
        params=count(shape),
        steps=rollouts * rollout_steps,
        lr=config.optim.lr,
        prompts=stage.prompts,
        samples=stage.samples,
        batch=answers // stage.updates,
        rollout_steps=rollout_steps,
        rollout_flops=rollout_flops,
        rollout_tokens=tokens,
        limit=given.flops,
    )


def reward_flops(reward_models: Sequence[Shape], tokens: int) -> float:
    """Return the FLOPs of scoring one text by each of several reward models."""
    return sum(tokens * flops.forward_flops(shape, tokens) for shape in reward_models)


class AnswerFlops:
    """FLOPs of one answer, by the tokens of its prompt and its own: of generating, scoring and learning from it."""

    def __init__(self, config: Config, shape: Shape) -> None:
        stage = config.stage
        self.shape, self.passes, self.recompute = shape, stage.passes, config.compute.gradient_checkpointing
        vllm = config.engine.kind == "vllm" and stage.vllm.correction is not None
        # the policy before its updates is scored if there are several or another engine generated; the reference if beta > 0
        self.scoring_passes = int(stage.updates * stage.passes > 1 or vllm) + int(stage.loss.beta > 0)
        if stage.loss.top_entropy < 1 and splits_step(config):  # all answers of a step are scored before its first micro-batch
            self.scoring_passes += stage.passes

    def rollout(self, prompt: int, new: int) -> float:
        """Return the FLOPs of generating an answer."""
        return flops.generation_flops(self.shape, prompt, new)

    def score(self, prompt: int, new: int) -> float:
        """Return the FLOPs of forward passes for probabilities alone."""
        return self.scoring_passes * flops.answer_flops(self.shape, prompt, new)

    def train(self, prompt: int, new: int) -> float:
        """Return the FLOPs of learning from an answer, in all passes over it."""
        return self.passes * flops.answer_training_flops(self.shape, prompt, new, self.recompute)

    def total(self, prompt: int, new: int) -> float:
        """Return the FLOPs of generating, scoring and learning together."""
        return self.rollout(prompt, new) + self.score(prompt, new) + self.train(prompt, new)
