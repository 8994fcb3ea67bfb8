"""Answers of a rollout as rows that a person reads in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openr1.rl.rollouts import Group


def rows(groups: Sequence[Group], step: int) -> list[dict[str, Any]]:
    """A row an answer: the problem, what was written, its rewards by term, and whether its group had signal."""
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
            "tokens": completion.tokens - completion.finished,
            "error": "; ".join(score.errors.values()),
        }
        for group in groups
        for completion, score in zip(group.written.completions, group.scores, strict=True)
    ]
