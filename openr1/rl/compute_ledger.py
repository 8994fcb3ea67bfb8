"""What reinforcement learning has cost so far: FLOPs of rollouts, of looking up probabilities and of updates, apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openr1.rl.budget import Cost

Lengths = Iterable[tuple[int, int]]  # of each answer, the tokens of its prompt and its own


@dataclass
class ComputeLedger:
    """Sums since the start of the run. Groups that were dropped count among the rollouts."""

    rollouts: int = 0
    written: int = 0  # answers
    completions: int = 0  # of these, learned from
    tokens: int = 0  # of prompts and answers, written
    flops_rollout: float = 0.0
    flops_score: float = 0.0  # forward passes for probabilities alone: of the reference, or of the policy before its updates
    flops_train: float = 0.0  # updates
    flops_eval: float = 0.0  # evaluations and probes, which are no part of ``flops``
    score_seconds: float = 0.0  # of rewards

    @property
    def flops(self) -> float:
        """The compute of reinforcement learning."""
        return self.flops_rollout + self.flops_score + self.flops_train

    def row(self) -> dict[str, float]:
        """For the curves, in whose rows it is cumulative."""
        told = ("written", "completions", "tokens", "flops_rollout", "flops_score", "flops_train")
        return {name: getattr(self, name) for name in told} | {"flops": self.flops}

    def write(self, lengths: Lengths, cost: Cost) -> None:
        for prompt, new in lengths:
            self.written += 1
            self.tokens += prompt + new
            self.flops_rollout += cost.rollout(prompt, new)

    def learn(self, lengths: Lengths, cost: Cost) -> None:
        for prompt, new in lengths:
            self.completions += 1
            self.flops_score += cost.score(prompt, new)
            self.flops_train += cost.train(prompt, new)

    def evaluate(self, lengths: Lengths, cost: Cost) -> None:
        self.flops_eval += sum(cost.rollout(prompt, new) for prompt, new in lengths)
