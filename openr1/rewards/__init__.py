"""Rewards: small functions of the completions of one prompt, verdicts on answers, and the processes that score.

>>> from openr1.rewards import REWARDS, Problem, Sample, verify
>>> sample = Sample(Problem("1+1=", "2"), "<think>1+1</think><answer>2</answer>", tokens=5)
>>> verify(sample), REWARDS["cosine"]([sample], max_length=10)
(True, [0.75])
"""

from typing import TYPE_CHECKING, Any

from openr1.rewards.base import Reward, Sample, Verified, reward
from openr1.rewards.correctness import verify
from openr1.rewards.options import RewardConfig, TermConfig
from openr1.rewards.registry import REWARDS

if TYPE_CHECKING:
    from openr1.data.tasks.base import Problem
    from openr1.rewards.scorer import Score, Scorer

__all__ = [
    "REWARDS",
    "Problem",
    "Reward",
    "RewardConfig",
    "Sample",
    "Score",
    "Scorer",
    "TermConfig",
    "Verified",
    "reward",
    "verify",
]


def __getattr__(name: str) -> Any:
    # every command composes a config, which imports this package; few of them score
    if name in ("Score", "Scorer"):
        from openr1.rewards import scorer

        return getattr(scorer, name)
    if name == "Problem":
        from openr1.data.tasks.base import Problem

        return Problem
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
