"""Private parts of Hydra 1.3.8, OmegaConf 2.3.1 and joblib's launcher 1.2.0 that sweeps rely on.

``tests/sweeps/test_compat.py`` fails when the source of one of them changes. Those of Optuna stand in
:mod:`openr1.sweeps.optuna.compat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from omegaconf.nodes import IntegerNode


def apply_overrides(overrides: Iterable[Override], config: DictConfig) -> None:
    """Set plain values in a composed config, as Hydra itself does after composition (``ConfigLoaderImpl``).

    :raises ConfigCompositionException: for a key that the config does not take.
    """
    ConfigLoaderImpl._apply_overrides_to_config(list(overrides), config)


def group_exists(loader: ConfigLoader, name: str) -> bool:
    """Return True for the name of a config group (``ConfigLoaderImpl.repository``)."""
    with_repository: Any = loader
    return with_repository.repository.group_exists(name)


def split_sweeps(overrides: list[Override]) -> list[list[str]]:
    """Return every combination of the sweeps among the overrides, as the basic sweeper has them.

    :raises HydraException: for an interval, which has no list of values.
    """
    (combinations,) = BasicSweeper.split_arguments(overrides, None)
    return [list(combination) for combination in combinations]


def quoted_value(override: Override) -> Any:
    """Return the value of an override with the quotes that it was written in (``Override.value`` drops them)."""
    return override._value


def value_text(value: Any) -> str:
    """Return the text of a value in the grammar of overrides."""
    return Override._get_value_element_as_str(value)


def result_of(job: JobReturn) -> Any:
    """Return what a job returned, or the exception that it raised (``JobReturn.return_value`` raises it)."""
    return job._return_value


def is_integer_key(config: DictConfig, key: str) -> bool:
    """Return True where the schema of the config declares an integer at the key, of one part."""
    return isinstance(config._get_node(key, validate_access=False), IntegerNode)


def joblib_task() -> Callable[..., JobReturn]:
    """Return the function that runs one job of joblib's launcher in a process of its pool."""
    from hydra_plugins.hydra_joblib_launcher._core import execute_job

    return execute_job


def joblib_options(launcher: Launcher) -> Any:
    """Return the options of ``joblib.Parallel`` of a launcher; None for a launcher that is not joblib's."""
    return getattr(launcher, "joblib", None)


def process_ids(pool: ProcessPoolExecutor) -> list[int]:
    """Return the ids of the processes of a pool of loky 3.5.6, which is part of joblib 1.5."""
    return list(pool._processes)


def submitit_options(launcher: Launcher) -> tuple[str, dict[str, Any]] | None:
    """Return the kind of cluster and the options of submitit's launchers 1.2.0; None for another launcher."""
    with_params: Any = launcher
    return (with_params._EXECUTOR, dict(with_params.params)) if hasattr(launcher, "_EXECUTOR") else None


def submitit_shared_options() -> list[str]:
    """Return the options that all executors of submitit share (``BaseQueueConf``); others are prefixed with the cluster."""
    from dataclasses import fields

    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf

    return [field.name for field in fields(BaseQueueConf)]


def connect_to_ray(launcher: Launcher) -> None:
    """Connect this process to the cluster of Ray's launcher 1.2.2, if the launcher is Ray's."""
    options = getattr(launcher, "ray_cfg", None)
    if options is not None:
        from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray

        start_ray(options.init)
