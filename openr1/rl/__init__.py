"""Reinforcement learning: what ``stage=grpo`` is made of. TRL has the losses and the loop; here are the problems, the rollouts,
the rewards, the accounts and the evaluations."""
