"""The rewards by name."""

from __future__ import annotations

from openr1.rewards.accuracy import accuracy
from openr1.rewards.base import Reward
from openr1.rewards.code import binary_code, code
from openr1.rewards.format import code_format, format_, reasoning_steps, tag_count
from openr1.rewards.judge import Judge, JudgeOptions
from openr1.rewards.language import language_consistency
from openr1.rewards.length import cosine, length, soft_overlong_punishment
from openr1.rewards.model_based import model_reward
from openr1.rewards.preference import PreferenceOptions, RewardModel, RewardModelOptions
from openr1.rewards.readability import readability
from openr1.rewards.repetition import repetition_penalty

REWARDS: dict[str, Reward] = {
    "accuracy": accuracy,
    "format": format_,
    "tag_count": tag_count,
    "reasoning_steps": reasoning_steps,
    "length": length,
    "cosine": cosine,
    "repetition_penalty": repetition_penalty,
    "soft_overlong_punishment": soft_overlong_punishment,
    "language_consistency": language_consistency,
    "readability": readability,
    "code": code,
    "binary_code": binary_code,
    "code_format": code_format,
    "preference": model_reward(PreferenceOptions, RewardModel),
    "harmlessness": model_reward(RewardModelOptions, RewardModel),
    "judge": model_reward(JudgeOptions, Judge),
}
