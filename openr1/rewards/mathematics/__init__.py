"""Verdicts on answers in mathematics, and classes of equal answers."""

from openr1.rewards.mathematics.verdict import judge_mathematics
from openr1.rewards.mathematics.votes import vote_classes

__all__ = ["judge_mathematics", "vote_classes"]
