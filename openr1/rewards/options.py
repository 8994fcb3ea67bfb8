"""Options of ``reward=``: a mix of rewards, and how scoring runs. Nothing here imports the library of a reward."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Interval, Le

from openr1.options import check_ranges, load_options
from openr1.options.ranges import OneOf, Seconds
from openr1.rewards.registry import REWARDS
from openr1.rewards.sandbox import PROVIDERS, Limits
from openr1.system.errors import ConfigError

PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
MAX_WEIGHT = 1e6  # of a term, on either side of 0


@dataclass
class TermConfig:
    """Options of one reward of a mix."""

    weight: Annotated[float, Interval(ge=-MAX_WEIGHT, le=MAX_WEIGHT)] = 1.0
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
    # processes that score, beside each process that trains; null for one per core in all
    workers: Annotated[int, Ge(1), Le(4096)] | None = None
    sandbox: Annotated[str, OneOf(PROVIDERS)] = "bubblewrap"  # runs programs: a name in openr1.rewards.sandbox.PROVIDERS
    sandbox_options: dict[str, Any] = field(default_factory=dict)  # options of the sandbox
    limits: Limits = field(default_factory=Limits)
    # task or source of the data -> the terms that its answers are scored by, with their weights; a task that is not named here
    # has all terms. Terms that a task does not name are not computed for it
    by_task: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class ScoringTerm:
    """Options of one reward by which answers are compared: in curation, and to choose the best of n."""

    function: str | None = None  # a name in openr1.rewards.REWARDS or package.module:function; null for none
    options: dict[str, Any] = field(default_factory=dict)


def check_reward(config: RewardConfig) -> None:
    """Refuse wrong options of a mix, before anything is scored.

    :raises ConfigError: for the first key that is wrong.
    """
    for name, term in config.terms.items():
        key, function = f"reward.terms.{name}", term.function or name
        if function not in REWARDS and not PATH.fullmatch(function):
            _refuse_function(key, function)
        term_options(function, term.options, f"{key}.options")
    check_ranges(config, "reward")
    _check_by_task(config)


def _check_by_task(config: RewardConfig) -> None:
    """Refuse weights of terms that do not exist, and a task without terms.

    :raises ConfigError: for the first.
    """
    for task, weights in config.by_task.items():
        if not weights:
            raise ConfigError(f"reward.by_task.{task}: no term is named; there are {', '.join(config.terms) or 'none'}")
        for name in weights:
            if name not in config.terms:
                known = ", ".join(config.terms) or "none"
                raise ConfigError(f"reward.by_task.{task}.{name}: is not a term of reward.terms; there are {known}")
            if not _is_weight(weights[name]):
                allowed = f"a number from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}"
                raise ConfigError(f"reward.by_task.{task}.{name}: must be {allowed}, not {weights[name]!r}")


def _is_weight(value: Any) -> bool:
    # OmegaConf does not convert the numbers of a mapping within a mapping
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_WEIGHT


def check_scoring_term(term: ScoringTerm, key: str) -> None:
    """Refuse wrong options of a reward by which answers are compared.

    :param key: where it stands in the config.
    :raises ConfigError: for the first key that is wrong, or an option that means nothing where raw scores are compared.
    """
    if term.function is None:
        if term.options:
            raise ConfigError(f"{key}.options: belong to a reward; give {key}.function")
        return
    if term.function not in REWARDS and not PATH.fullmatch(term.function):
        _refuse_function(key, term.function)
    if is_model_based(term.function):
        for option in ("normalise", "clip"):
            if option in term.options:
                raise ConfigError(f"{key}.options.{option}: is for reinforcement learning; raw scores are compared here")
    term_options(term.function, term.options, f"{key}.options")


def _refuse_function(key: str, function: str) -> None:
    raise ConfigError(f"{key}.function: {function!r} is not one of {', '.join(REWARDS)}, nor package.module:function")


def term_options(function: str, options: Mapping[str, Any], key: str) -> Any:
    """Return the typed options of a reward; keywords as they are for a user's own.

    :param key: where they stand in the config.
    :raises ConfigError: for an option that does not exist, or is wrong.
    """
    schema = REWARDS[function].options if function in REWARDS else None
    return dict(options) if schema is None else load_options(schema, options, key)


def is_model_based(function: str) -> bool:
    """Tell whether a model gives the reward of this name."""
    return function in REWARDS and REWARDS[function].opens is not None


def fingerprinted_options(function: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a reward that change a score; the model of a reward model counts by its content, as an input."""
    schema = REWARDS[function].options if is_model_based(function) else None
    dropped = getattr(schema, "unfingerprinted", ())
    return {name: value for name, value in options.items() if name not in dropped}
