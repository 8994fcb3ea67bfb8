"""The rewards of a config, found and ready to be called."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openr1.errors import ConfigError
from openr1.options import load_options
from openr1.rewards.base import Reward, Sample
from openr1.rewards.options import RewardConfig, TermConfig
from openr1.rewards.registry import REWARDS


@dataclass(frozen=True)
class Term:
    """One reward of a mix, with its options."""

    name: str
    reward: Reward
    options: Any  # the reward's dataclass, or keywords

    def __call__(self, samples: Sequence[Sample]) -> list[float | None]:
        """The values of samples of one prompt.

        :raises ValueError: where a user's own reward gives something else than a number or None for each.
        """
        function, free = self.reward.function, self.reward.options is None
        given = function(samples, **self.options) if free else function(samples, self.options)
        values = [None if value is None else float(value) for value in given]
        if len(values) != len(samples):
            raise ValueError(f"{len(values)} values for {len(samples)} samples")
        if not all(value is None or math.isfinite(value) for value in values):
            raise ValueError("a value that is not finite; None means no value")
        return values


def build(config: RewardConfig) -> list[Term]:
    """The terms of a mix, in order.

    :raises ConfigError: for a function that is not there, and for wrong options.
    """
    return [_term(name, term) for name, term in config.terms.items()]


def _term(name: str, term: TermConfig) -> Term:
    key, function = f"reward.terms.{name}", term.function or name
    found = REWARDS.get(function) or _imported(f"{key}.function", function)
    if found.options is None:
        return Term(name, found, dict(term.options))
    return Term(name, found, load_options(found.options, term.options, f"{key}.options"))


def _imported(key: str, path: str) -> Reward:
    module, _, attribute = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a user's module does when it is imported
        raise ConfigError(f"{key}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    return function if isinstance(function, Reward) else Reward(function, group=True)
