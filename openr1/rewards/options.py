"""Options of ``reward=``: a mix of rewards, and how scoring runs. Nothing here imports the library of a reward."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Interval, Le

from openr1.errors import ConfigError
from openr1.options import check_ranges, load_options
from openr1.options.ranges import OneOf, Seconds
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import PROVIDERS, Limits

PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass
class TermConfig:
    """Options of one reward of a mix."""

    weight: Annotated[float, Interval(ge=-1e6, le=1e6)] = 1.0
    function: str | None = None  # a name in openr1.rewards.REWARDS or package.module:function; null for the term's own name
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class RewardConfig:
    """Options of a mix. The total of a sample is the sum of weight x value over the terms that have a value.

    On the command line: ``reward=r1 reward.terms.format.weight=0.5``, ``~reward.terms.format`` to leave one out, and
    ``'+reward.terms={mine:{function:"my.package:reward",weight:0.2}}'`` to add one.
    """

    terms: dict[str, TermConfig] = field(default_factory=dict)
    time_limit: Seconds = 10.0  # seconds for each step of a sample: the verdict on its answer, or one reward
    workers: Annotated[int, Ge(1), Le(4096)] | None = None  # processes that score; null for one per core
    sandbox: Annotated[str, OneOf(PROVIDERS)] = "bubblewrap"  # runs programs: a name in openr1.rewards.sandbox.PROVIDERS
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
    check_ranges(config, "reward")
