"""``hydra/sweeper=design``: the sweeper of scaling studies (sweeps/study/sweeper.py), and the schemas of ``sweep=``."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from openr1.sweeps.designs import DESIGNS
from openr1.system.packages import require

for schema, _ in DESIGNS.values():
    ConfigStore.instance().store(name=schema.__name__, node=schema, provider="openr1")


class DesignSweeper(Sweeper):
    """A sweeper whose runs follow a design, round by round.

    :param params: overrides and sweeps, as the basic sweeper takes them.
    """

    def __init__(self, params: DictConfig | None = None) -> None:
        self.params: dict[Any, Any] = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> Any:
        require("torch")
        from openr1.sweeps.study.sweeper import sweep

        assert self.hydra_context  # setup was called before
        assert self.task_function is not None
        assert self.config is not None
        return sweep(self.hydra_context, self.task_function, self.config, self.params, arguments)
