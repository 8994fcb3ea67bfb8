"""``hydra/sweeper=optuna``: studies of Optuna that resume, prune, and are shared by workers (sweeps/optuna/sweeper.py)."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from sweeps.config import require_search
from sweeps.optuna.config import SearchConfig

ConfigStore.instance().store(name="SearchConfig", node=SearchConfig, provider="openr1")


class OptunaSweeper(Sweeper):
    """
    :param params: axes of the search space and fixed overrides, as the basic sweeper has them; a value may be an
        ``AxisConfig``.
    :param options: a ``SearchConfig``.
    """

    def __init__(self, params: DictConfig | None = None, options: DictConfig | None = None) -> None:
        self.params, self.options = params or {}, options or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        require_search(self.options)
        from sweeps.optuna.sweeper import sweep

        return sweep(self.hydra_context, self.task_function, self.config, dict(self.params), self.options, arguments)
