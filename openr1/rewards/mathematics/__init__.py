"""The verdict on an answer in mathematics, and which answers are equal to one another."""

from openr1.rewards.mathematics.verdict import check
from openr1.rewards.mathematics.votes import vote_classes

__all__ = ["check", "vote_classes"]
