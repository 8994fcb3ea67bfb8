"""The plan of a search: how many trials it has and what they take, in ``plan.json`` and before the launch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, cast

import optuna
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from openr1.config.schema import Config
from openr1.sweeps.cost.price import times_are_needed
from openr1.sweeps.limits.allowance import require_confirmation
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.price import SearchPrice, price_search, trial_amount, trial_seconds
from openr1.sweeps.optuna.price_table import print_search_price
from openr1.sweeps.optuna.samplers import FINITE
from openr1.sweeps.optuna.space import Space
from openr1.sweeps.optuna.storage import is_missing_file, open_storage, without_password
from openr1.sweeps.optuna.trial_counts import TrialCounts
from openr1.sweeps.planning.concurrency import runs_at_once
from openr1.sweeps.status import plan_file
from openr1.system.records import DamagedFile, read_json


def price_before_launch(
    options: SearchConfig, space: Space, config: DictConfig, loader: ConfigLoader, console: Console
) -> None:
    """Print the price of a search that is about to begin, refuse it above ``sweep.ask_above``, and keep it in ``plan.json``.

    The plan is a file of the search's run in MLflow too, as that of a design is.

    :param config: of the app; for an app other than ``openr1`` there is no price.
    :raises ConfigError: in a line that says the price and the limit, or where every run of the space is invalid.
    :raises StoreError: if the store refuses the plan.
    """
    if OmegaConf.get_type(config) is not Config:
        return
    limit, counts, price = trial_limit(options, space), read_trial_counts(options.storage, options.name), None
    remaining = max(0, limit - len(counts.ended) if counts else limit)
    if remaining:
        needed = times_are_needed(options, [config.compute])
        price = price_search(
            options, space, config, loader, remaining, needed, lambda text: console.print(text, soft_wrap=True)
        )
        print_search_price(price, console)
        require_confirmation(price.amount, options.ask_above, options.confirm)
    save_plan(options, limit, config, plan_file.command_line("openr1 -m", config), price)
    tracking, paths = (cast(Any, OmegaConf.to_object(config[group])) for group in ("tracking", "paths"))
    plan_file.track(tracking, paths, options.name)


def trial_limit(options: SearchConfig, space: Space) -> int:
    """Return how many trials there will be: a sampler that tries every point once may need fewer than ``n_trials``."""
    if options.sampler not in FINITE:
        return options.n_trials
    size = 1
    for axis in space.axes.values():
        size *= len(axis.all_values() or range(options.n_trials))
    return min(options.n_trials, size)


def read_trial_counts(storage: str, name: str) -> TrialCounts | None:
    """Read the trials of a study so far; return None where there is no study, and create none.

    :raises ConfigError: for a storage that cannot be opened.
    """
    if is_missing_file(storage):
        return None
    try:
        return TrialCounts.of(optuna.load_study(storage=open_storage(storage), study_name=name))
    except KeyError:
        return None


def save_plan(options: SearchConfig, limit: int, config: DictConfig, command: str, price: SearchPrice | None) -> Path:
    """Write ``plan.json`` of a search, without the password of its storage.

    :param price: None where it was not priced; an earlier price is kept then.
    """
    paths: Any = OmegaConf.to_object(config.paths)
    path = plan_file.path_of(paths, options.name)
    try:
        before = read_json(path).get("search", {})
    except DamagedFile:
        before = {}
    storage = without_password(options.storage)
    search: dict[str, Any] = {"name": options.name, "storage": storage, "n_trials": limit}
    search |= {"objective": dict(zip(options.objectives, options.directions, strict=True))}
    if price is None and "trial" in before:
        search["trial"] = before["trial"]
    elif price is not None:
        search["trial"] = {
            name: {"flops": flops, "seconds": seconds if price.timed else None}
            for name, flops, seconds in zip(
                ("least", "mean", "most"),
                price.range(lambda trial: trial_amount(trial).flops),
                price.range(lambda trial: trial_seconds(trial) or 0.0),
                strict=True,
            )
        }
    plan = {"search": search, "runs": [], "at_once": price.at_once if price else options.n_jobs or runs_at_once(config)}
    # the command line may name the storage with its password, and the plan goes to MLflow
    command = shlex.join(word.replace(options.storage, storage) for word in shlex.split(command))
    return plan_file.save(paths, options.name, command, plan)
