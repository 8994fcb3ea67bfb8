"""The terms of a mix of rewards, imported and ready to be called."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openr1.options import load_options
from openr1.rewards.base import Reward, Sample
from openr1.rewards.model_based import ModelReward
from openr1.rewards.options import RewardConfig, TermConfig, term_options
from openr1.rewards.registry import REWARDS
from openr1.system.errors import ConfigError


@dataclass(frozen=True)
class Term:
    """One reward of a mix, with its options."""

    name: str
    reward: Reward
    options: Any  # the reward's dataclass, or keywords

    def __call__(self, samples: Sequence[Sample]) -> list[float | None]:
        """Return the values of the samples of one prompt.

        :raises ValueError: if a user's own reward returns anything but one finite number or None for each.
        """
        function, free = self.reward.function, self.reward.options is None
        returned = function(samples, **self.options) if free else function(samples, self.options)
        values = [None if value is None else float(value) for value in returned]
        if len(values) != len(samples):
            raise ValueError(f"{len(values)} values for {len(samples)} samples")
        if not all(value is None or math.isfinite(value) for value in values):
            raise ValueError("a value is not finite; None means no value")
        return values


def open_model(function: str, options: Mapping[str, Any], key: str, cache: Path | None) -> ModelReward:
    """Open the model of a reward that a model gives.

    :param key: where the options stand in the config, for messages.
    :param cache: folder of caches; None to keep no scores of judges.
    :raises ConfigError: for wrong options, or a model that cannot be opened, or gives no reward.
    """
    opens = REWARDS[function].opens
    assert opens is not None
    return opens(term_options(function, options, key), key, cache)


def build_terms(config: RewardConfig) -> list[Term]:
    """Build the terms of a mix, in order.

    :raises ConfigError: for a function that does not exist, and for wrong options.
    """
    return [_build_term(name, term) for name, term in config.terms.items()]


def _build_term(name: str, term: TermConfig) -> Term:
    key, function = f"reward.terms.{name}", term.function or name
    reward = REWARDS.get(function) or _import_reward(f"{key}.function", function)
    if reward.options is None:
        return Term(name, reward, dict(term.options))
    return Term(name, reward, load_options(reward.options, term.options, f"{key}.options"))


def _import_reward(key: str, path: str) -> Reward:
    module, _, attribute = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a user's module may raise anything
        raise ConfigError(f"{key}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    return function if isinstance(function, Reward) else Reward(function, group=True)
