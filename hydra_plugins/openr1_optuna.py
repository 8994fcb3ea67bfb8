"""``hydra/sweeper=optuna``: searches that resume, prune, and are shared by workers (sweeps/optuna/sweeper.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from openr1.sweeps.config import require_search
from openr1.sweeps.optuna.config import SearchConfig
from openr1.system.packages import require

ConfigStore.instance().store(name="SearchConfig", node=SearchConfig, provider="openr1")


class OptunaSweeper(Sweeper):
    """A sweeper whose runs are the trials of a study.

    :param params: axes of the search space and fixed overrides, as the basic sweeper takes them; a value may be an
        ``AxisConfig``.
    :param options: a ``SearchConfig``.
    """

    def __init__(self, params: DictConfig | None = None, options: DictConfig | None = None) -> None:
        self.params: Mapping[str, Any] = dict(params or {})
        self.options: Mapping[str, Any] | DictConfig = options or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        require_search(self.options)
        require("torch")
        from openr1.sweeps.optuna.sweeper import sweep

        assert self.hydra_context  # setup was called before
        assert self.task_function is not None
        assert self.config is not None
        return sweep(self.hydra_context, self.task_function, self.config, self.params, self.options, arguments)
