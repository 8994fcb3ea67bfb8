"""How long a policy is trained, and what that costs at most: its answers may be shorter than they can be."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from openr1.config.schema import Config
from openr1.data.problems import Extent
from openr1.models import flops
from openr1.models.shape import Shape, count
from openr1.training.budget import Budget, form_of


@dataclass(frozen=True, kw_only=True)
class RolloutBudget(Budget):
    """What one run of reinforcement learning will do.

    :ivar steps: of the optimiser; where ``limit`` is given the fewest, since answers may be shorter than they can be.
    :ivar limit: FLOPs of rollouts and updates after which the run ends, with the rollout that reaches them.
    :ivar rollout_steps: steps that learn from one rollout.
    """

    prompts: int  # of a rollout
    samples: int
    batch: int  # answers of a step
    rollout_steps: int
    rollout_flops: float  # of a rollout and its updates, at most
    rollout_tokens: float  # of prompts and answers, at most
    limit: float | None = None

    @property
    def rollouts(self) -> int:
        return self.steps // self.rollout_steps

    @property
    def completions(self) -> int:
        """That are learned from."""
        return self.rollouts * self.prompts * self.samples

    @property
    def tokens(self) -> float:
        """Of prompts and answers, at most."""
        return self.rollouts * self.rollout_tokens

    @property
    def flops(self) -> float:
        """Of rollouts and updates, at most."""
        return self.limit or self.rollouts * self.rollout_flops

    @property
    def max_steps(self) -> int:
        """Steps that no run exceeds: an answer has a token at least."""
        if self.limit is None:
            return self.steps
        least = self.prompts * self.samples * flops.generation_flops(self.shape, 1, 1)
        return self.rollout_steps * math.ceil(self.limit / least)

    def summary(self) -> dict[str, float]:
        """The resolved figures by the names that runs are tracked under."""
        known = {"lr": self.lr, "steps": self.steps, "completions": self.completions, "tokens": self.tokens}
        shape = {f"shape.{key}": value for key, value in asdict(self.shape).items() if value is not None}
        return {**known, "flops": self.flops, **shape}


def resolve(config: Config, extent: Extent, form: Shape | None = None) -> RolloutBudget:
    """The budget of ``stage=grpo``. What it gives is rounded up to whole rollouts.

    :param extent: of the problems.
    :param form: the shape of the model, where it starts from one that is not made yet.
    """
    stage, asked = config.stage, config.budget
    form = form or form_of(config)
    prompt, new = round(extent.prompt_bytes), min(stage.sampling.max_tokens, form.context)  # a token has at least one byte
    answers, each = stage.prompts * stage.samples, stage.updates * stage.passes
    cost = answers * Cost(config, form).most(prompt, new)
    if asked.flops is not None:
        rollouts = math.ceil(asked.flops / cost)
    else:
        rollouts = math.ceil(asked.completions / answers if asked.steps is None else asked.steps / each)
    tokens = float(answers * (prompt + new))
    return RolloutBudget(
        shape=form,
        params=count(form),
        steps=rollouts * each,
        lr=config.optim.lr,
        prompts=stage.prompts,
        samples=stage.samples,
        batch=answers // stage.updates,
        rollout_steps=each,
        rollout_flops=cost,
        rollout_tokens=tokens,
        limit=asked.flops,
    )


class Cost:
    """FLOPs of one answer: to write it, to look up its probabilities, and to learn from it."""

    def __init__(self, config: Config, form: Shape) -> None:
        stage = config.stage
        self.form, self.passes, self.recompute = form, stage.passes, config.compute.gradient_checkpointing
        vllm = config.engine.kind == "vllm" and stage.vllm.correction is not None
        # of the model before its updates, where they are several or another engine wrote; and of the reference
        self.looks = int(stage.updates * stage.passes > 1 or vllm) + int(stage.loss.beta > 0)

    def rollout(self, prompt: int, new: int) -> float:
        return flops.generation_flops(self.form, prompt, new)

    def score(self, prompt: int, new: int) -> float:
        return self.looks * flops.answer_flops(self.form, prompt, new)

    def train(self, prompt: int, new: int) -> float:
        return self.passes * flops.answer_training_flops(self.form, prompt, new, self.recompute)

    def most(self, prompt: int, new: int) -> float:
        return self.rollout(prompt, new) + self.score(prompt, new) + self.train(prompt, new)
