"""Table of a rollout's answers, for people to read in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from openr1.rl.rollouts import Group

SMALLEST_STD = 1e-4  # what TRL adds to a standard deviation


def completion_rows(groups: Sequence[Group], step: int, scale: str = "group") -> list[dict[str, Any]]:
    """Return a row for each answer: the problem, the completion, its length in tokens, its rewards by term, its advantage, and
    whether its group had signal.

    :param scale: ``stage.loss.scale_rewards``, by which rewards become advantages.
    """
    advantages = iter(_advantages(groups, scale))
    return [
        {
            "step": step,
            "prompt": group.problem.prompt,
            "answer": group.problem.answer,
            "completion": completion.text,
            "reward": score.total,
            "advantage": next(advantages),
            **{f"reward_{name}": value for name, value in score.values.items()},
            "signal": not group.zero_variance,
            "finished": completion.finished,
            "length": tokens,
            "error": "; ".join(score.errors.values()),
        }
        for group in groups
        for completion, tokens, score in zip(group.reply.completions, group.reply.response_tokens, group.scores, strict=True)
    ]


def _advantages(groups: Sequence[Group], scale: str) -> list[float | None]:
    """Return the advantage of each answer over its group, as GRPO learns from it (TRL 1.16); None without a reward."""
    rewards = [np.array([score.total for score in group.scores], dtype=float) for group in groups]
    whole = _std(np.concatenate(rewards)) if rewards else 0.0
    values: list[float | None] = []
    for of_group in rewards:
        known = of_group[~np.isnan(of_group)]
        spread = {"none": 1.0, "batch": whole + SMALLEST_STD}.get(scale, _std(known) + SMALLEST_STD)
        mean = known.mean() if len(known) else 0.0
        values += [None if np.isnan(reward) else float((reward - mean) / spread) for reward in of_group]
    return values


def _std(rewards: np.ndarray) -> float:
    known = rewards[~np.isnan(rewards)]
    return float(known.std(ddof=1)) if len(known) > 1 else 0.0
