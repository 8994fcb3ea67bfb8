"""``openr1-plan sweep=search``: the price of a search and its progress, without a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from openr1.sweeps.optuna.plan import read_trial_counts, save_plan, trial_limit
from openr1.sweeps.optuna.price import price_search
from openr1.sweeps.optuna.price_table import print_search_price
from openr1.sweeps.optuna.space import parse_space
from openr1.sweeps.optuna.validation import check_search, options_of
from openr1.sweeps.status import plan_file
from openr1.system.terminal import console as console_of


def preview_search(
    loader: ConfigLoader,
    config: DictConfig,
    params: Mapping[str, Any],
    given: DictConfig,
    arguments: Sequence[str],
    command: str,
) -> None:
    """Print the price of a search and how many of its trials are done, and write ``plan.json``.

    :raises ConfigError: for a search that is not valid.
    """
    options = options_of(given)
    space = parse_space(params, arguments, config, loader)
    check_search(options, space, config, loader)
    console, errors = console_of(), console_of(stderr=True)
    limit, counts = trial_limit(options, space), read_trial_counts(options.storage, options.name)
    remaining = max(0, limit - len(counts.ended)) if counts else limit
    price = price_search(options, space, config, loader, remaining, needed=True, say=errors.print)
    by_state = "".join(f", {count} {state}" for state, count in (counts.by_state() if counts else {}).items())
    console.print(f"{options.name}: {limit} trials{by_state}; {remaining} to come", soft_wrap=True)
    print_search_price(price, console)
    paths: Any = OmegaConf.to_object(config.paths)
    if kept := plan_file.begun_without(paths, options.name, search=True):
        errors.print(f"{plan_file.path_of(paths, options.name)} stays as it is: {kept}", soft_wrap=True)
        return
    path = save_plan(options, limit, config, command, price)
    errors.print(f"wrote {path}", soft_wrap=True)
