"""The sweeper of ``openr1-plan``: it prices what the one in whose place it stands would make (sweeps/commands/price.py)."""

from __future__ import annotations

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PriceSweeper(Sweeper):
    """
    :param params: of the sweeper in whose place it stands.
    :param options: of a study of Optuna; without them it is one of a design.
    """

    def __init__(self, params: DictConfig | None = None, options: DictConfig | None = None) -> None:
        self.params, self.options = params or {}, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> Any:
        from sweeps.commands.price import show

        show(self.hydra_context.config_loader, self.config, dict(self.params), self.options, arguments)
