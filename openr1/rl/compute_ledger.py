"""Compute ledger of reinforcement learning: FLOPs of rollouts, rewards, scoring probabilities and updates, each by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openr1.rl.budget import AnswerFlops

Lengths = Iterable[tuple[int, int]]  # for each answer: the tokens of its prompt, and its own


@dataclass
class ComputeLedger:
    """Sums since the start of the run. Groups that were dropped count as rollouts too."""

    rollouts: int = 0
    written: int = 0  # answers generated
    completions: int = 0  # answers that the policy learned from
    tokens: int = 0  # tokens of prompts and generated answers
    flops_rollout: float = 0.0
    flops_score: float = 0.0  # forward passes for probabilities alone: of the reference, or of the policy before its updates
    flops_train: float = 0.0  # updates
    flops_eval: float = 0.0  # evaluations and probes, which are not part of ``flops``
    score_seconds: float = 0.0  # seconds that rewards took
    flops_reward: float = 0.0  # forward passes of reward models over the answers of rollouts
    rollout_seconds: float = 0.0  # seconds in which the policy answered
    step_seconds: float = 0.0  # seconds of training steps: of rollouts, rewards and updates together

    @property
    def flops(self) -> float:
        """Return the compute of reinforcement learning."""
        return self.flops_rollout + self.flops_score + self.flops_train + self.flops_reward

    def row(self) -> dict[str, float]:
        """Return the cumulative amounts that a row of the curves has; ``flops_reward`` only if a reward model scores."""
        names: tuple[str, ...] = ("written", "completions", "tokens", "flops_rollout", "flops_score", "flops_train")
        names += ("flops_reward",) if self.flops_reward else ()
        return {name: getattr(self, name) for name in names} | {"flops": self.flops}

    def time_metrics(self) -> dict[str, float]:
        """Return the seconds of each part of the training steps, and their shares; updates are all but rollouts and rewards."""
        seconds = {"rollout": self.rollout_seconds, "score": self.score_seconds}
        seconds["update"] = max(0.0, self.step_seconds - sum(seconds.values()))
        total = sum(seconds.values())
        metrics = {f"{name}_seconds": value for name, value in seconds.items()}
        return metrics | {f"{name}_share": value / total for name, value in seconds.items() if total}

    def add_rollout(self, lengths: Lengths, flops: AnswerFlops) -> None:
        """Add answers that were generated for a rollout."""
        for prompt, new in lengths:
            self.written += 1
            self.tokens += prompt + new
            self.flops_rollout += flops.rollout(prompt, new)

    def add_update(self, lengths: Lengths, flops: AnswerFlops) -> None:
        """Add answers that the policy learns from."""
        for prompt, new in lengths:
            self.completions += 1
            self.flops_score += flops.score(prompt, new)
            self.flops_train += flops.train(prompt, new)

    def add_evaluation(self, lengths: Lengths, flops: AnswerFlops) -> None:
        """Add answers of an evaluation or a probe."""
        self.flops_eval += sum(flops.rollout(prompt, new) for prompt, new in lengths)
