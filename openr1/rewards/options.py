"""Options of ``reward=``: a mix of rewards, and how scoring runs. Nothing here imports the library of a reward."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from openr1.errors import ConfigError
from openr1.options import load_options
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import PROVIDERS, Limits

PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass
class TermConfig:
    """Options of one reward of a mix."""

    weight: float = 1.0
    function: str | None = None  # a name in openr1.rewards.REWARDS or package.module:function; null for the term's own name
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class RewardConfig:
    """Options of a mix. The total of a sample is the sum of weight x value over the terms that have a value.

    On the command line: ``reward=r1 reward.terms.format.weight=0.5``, ``~reward.terms.format`` to leave one out, and
    ``'+reward.terms={mine:{function:"my.package:reward",weight:0.2}}'`` to add one.
    """

    terms: dict[str, TermConfig] = field(default_factory=dict)
    time_limit: float = 10.0  # seconds for each step of a sample: the verdict on its answer, or one reward
    workers: int | None = None  # processes that score; null for one per core
    sandbox: str = "bubblewrap"  # runs programs: a name in openr1.rewards.sandbox.PROVIDERS
    sandbox_options: dict[str, Any] = field(default_factory=dict)  # options of the sandbox
    limits: Limits = field(default_factory=Limits)


def check_reward(config: RewardConfig) -> None:
    """Refuse wrong options of a mix, before anything is scored.

    :raises ConfigError: for the first key that is wrong.
    """
    for name, term in config.terms.items():
        key, function = f"reward.terms.{name}", term.function or name
        if function in REWARDS:
            if (options := REWARDS[function].options) is not None:
                load_options(options, term.options, f"{key}.options")
        elif not PATH.fullmatch(function):
            known = ", ".join(REWARDS)
            raise ConfigError(f"{key}.function: {function!r} is not one of {known}, nor package.module:function")
    for key in ("time_limit", "workers"):
        if (value := getattr(config, key)) is not None and value <= 0:
            raise ConfigError(f"reward.{key}: must be above 0, not {value:g}")
    for key, value in vars(config.limits).items():
        if value <= 0:
            raise ConfigError(f"reward.limits.{key}: must be above 0, not {value:g}")
    if config.sandbox not in PROVIDERS:
        raise ConfigError(f"reward.sandbox: {config.sandbox!r} is not one of {', '.join(PROVIDERS)}")
