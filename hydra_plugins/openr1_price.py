"""The sweeper of ``openr1-plan``: it prices the runs of the sweeper that it replaces (sweeps/commands/price.py)."""

from __future__ import annotations

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from openr1.system.packages import require


class PriceSweeper(Sweeper):
    """A sweeper that prints the price of its runs instead of launching them.

    :param params: of the sweeper that it replaces.
    :param options: of a search; null for a design.
    :param forecast: the study from whose runs those that are priced are forecast; null for no forecast.
    """

    def __init__(
        self, params: DictConfig | None = None, options: DictConfig | None = None, forecast: str | None = None
    ) -> None:
        self.params: dict[Any, Any] = dict(params or {})
        self.options, self.forecast = options, forecast

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> Any:
        require("torch")
        from openr1.sweeps.commands.price import show

        assert self.hydra_context  # setup was called before
        assert self.config is not None
        show(self.hydra_context.config_loader, self.config, self.params, self.options, arguments, self.forecast)
