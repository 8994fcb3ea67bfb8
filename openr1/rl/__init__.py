"""Reinforcement learning for ``stage=grpo``: problems, rollouts, rewards, the compute ledger and evaluations.

TRL has the losses and the training loop.
"""
