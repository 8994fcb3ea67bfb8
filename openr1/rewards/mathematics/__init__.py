"""The verdict on an answer in mathematics."""

from openr1.rewards.mathematics.verdict import check

__all__ = ["check"]
