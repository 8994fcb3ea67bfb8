"""Table of a rollout's answers, for people to read in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openr1.rl.rollouts import Group


def completion_rows(groups: Sequence[Group], step: int) -> list[dict[str, Any]]:
    """Return a row for each answer: the problem, the completion, its rewards by term, and whether its group had signal."""
    return [
        {
            "step": step,
            "prompt": group.problem.prompt,
            "answer": group.problem.answer,
            "completion": completion.text,
            "reward": score.total,
            **{f"reward_{name}": value for name, value in score.values.items()},
            "signal": not group.zero_variance,
            "finished": completion.finished,
            "tokens": tokens,
            "error": "; ".join(score.errors.values()),
        }
        for group in groups
        for completion, tokens, score in zip(group.reply.completions, group.reply.response_tokens, group.scores, strict=True)
    ]
