"""Validation of a search, before its study is opened and before any trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from openr1.config.schema import Config
from openr1.options import load_options, one_line
from openr1.stages.figures import check_figures
from openr1.sweeps.optuna.config import SearchConfig, validate_options
from openr1.sweeps.optuna.pruners import create_pruner
from openr1.sweeps.optuna.samplers import create_sampler
from openr1.sweeps.optuna.space import Space
from openr1.sweeps.optuna.terminators import create_terminator
from openr1.sweeps.planning.loader import trial_config
from openr1.system.errors import ConfigError


def options_of(given: Mapping[str, Any] | DictConfig) -> SearchConfig:
    """Return the options of a search, with their types.

    :raises ConfigError: for the first that is wrong.
    """
    try:
        plain: Any = OmegaConf.to_container(given, resolve=True) if isinstance(given, DictConfig) else dict(given)
    except OmegaConfBaseException as error:
        raise ConfigError(f"sweep.{one_line(error)}") from error
    options = load_options(SearchConfig, plain, "sweep")
    validate_options(options)
    return options


def config_composer(config: DictConfig, loader: ConfigLoader) -> Callable[[Sequence[str]], Config] | None:
    """Return a function from the overrides of a trial to its checked config; None for another app than ``openr1``."""
    if OmegaConf.get_type(config) is not Config:
        return None
    return partial(trial_config, loader, config)


def check_search(options: SearchConfig, space: Space, config: DictConfig, loader: ConfigLoader) -> None:
    """Refuse values of axes that no run can have, a sampler, pruner or terminator that cannot be, figures that the runs do not
    make, and a tracking store that cannot be opened.

    Other apps than ``openr1`` have figures and stores of their own.

    :raises ConfigError: for the first.
    """
    _check_axes(space, config, loader)
    create_sampler(options, space)
    create_pruner(options)
    create_terminator(options)
    if compose := config_composer(config, loader):
        from openr1.tracking.mlflow import check_store

        run = compose(space.overrides({key: axis.end_values()[0] for key, axis in space.axes.items()}))
        check_figures(options.objectives, "sweep.objective", run)
        check_figures(options.constraints or {}, "sweep.constraints", run)
        check_store(run.tracking)


def _check_axes(space: Space, config: DictConfig, loader: ConfigLoader) -> None:
    """Compose the ends or choices of every axis, so that a value that the config does not take is refused before any trial.

    :raises ConfigError: for the first.
    """
    first = {key: axis.end_values()[0] for key, axis in space.axes.items()}
    compose = config_composer(config, loader) or partial(_compose, loader, config)
    for key, axis in space.axes.items():
        for value in axis.end_values():
            try:
                compose(space.overrides(first | {key: value}))
            except (HydraException, OmegaConfBaseException, ConfigError) as error:
                raise ConfigError(f"{axis.override(value)}: {one_line(error)}") from error


def _compose(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    return loader.load_sweep_config(config, list(overrides))
