"""From a command line to runs: every combination of its sweeps, and of each the rounds that ``sweep=`` decides on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from openr1.config.schema import Config
from openr1.errors import ConfigError
from openr1.options import one_line
from sweeps.compat import split_sweeps
from sweeps.config import SweepConfig
from sweeps.designs import DESIGNS, design_of
from sweeps.designs.base import Finished, Overrides
from sweeps.designs.grid import GridSweep
from sweeps.planning.grammar import overrides_of
from sweeps.planning.loader import trial_config

Job = tuple[str, ...]  # all overrides of one run, those of the command line first


class Expansion:
    """The runs of a sweep, round by round. Each combination of the command line has a design of its own.

    :param config: of the app, composed without the sweeps.
    :param params: overrides and sweeps of ``hydra.sweeper.params``.
    :param arguments: those of the command line, whose word on a key is the last.
    :raises ConfigError: for an option of the sweep that cannot be.
    """

    def __init__(self, config: DictConfig, loader: ConfigLoader, params: Mapping[str, Any], arguments: Sequence[str]) -> None:
        self.config, self.loader = config, loader
        self.sweep = options_of(config.sweep)
        given = overrides_of([*(f"{key}={value}" for key, value in params.items()), *arguments], loader)
        try:
            cells = split_sweeps([one for one in given if one.key_or_group.partition(".")[0] != "sweep"])
        except HydraException as error:
            raise ConfigError(f"{one_line(error)}; hydra/sweeper=optuna has continuous axes") from error
        # what hydra/sweeper=optuna goes by says nothing here: a run for each combination
        sweep = self.sweep if self.sweep.kind in DESIGNS else GridSweep(name=self.sweep.name)
        design = design_of(sweep.kind)
        self.cells = [tuple(cell) for cell in cells]
        self.designs = [design(sweep, partial(self._config_with, cell)) for cell in self.cells]
        self.kind = sweep.kind
        self.made: list[dict[Overrides, Finished]] = [{} for _ in self.cells]  # of each cell, in the order of its rounds

    def config_of(self, job: Sequence[str]) -> Config:
        """The config of one run, checked."""
        return trial_config(self.loader, self.config, job)

    def _config_with(self, cell: Job, overrides: Sequence[str]) -> Config:
        return self.config_of(self._job(cell, overrides))

    def _job(self, cell: Job, overrides: Sequence[str]) -> Job:
        given = {_key(one) for one in cell}
        for key in map(_key, overrides):
            if key in given:
                raise ConfigError(f"{key}: sweep={self.kind} decides it; leave it out")
        return (*cell, *overrides)

    def next(self) -> list[Job]:
        """The runs of the next round of all designs; none when there is no more to do.

        :raises ConfigError: where a design cannot be.
        """
        self.round = [
            (i, overrides) for i, design in enumerate(self.designs) for overrides in design.next(list(self.made[i].values()))
        ]
        return [self._job(self.cells[i], overrides) for i, overrides in self.round]

    def foreseen(self) -> list[Job]:
        """The runs that follow the last round, as far as they do not depend on what comes out of it."""
        return [
            self._job(cell, overrides)
            for cell, design, made in zip(self.cells, self.designs, self.made, strict=True)
            for overrides in design.foreseen(list(made.values()))
        ]

    @property
    def adapts(self) -> bool:
        """Whether what comes out decides on further runs."""
        return any(design.adapts for design in self.designs)

    def tell(self, configs: Sequence[Config], metrics: Sequence[dict[str, float] | None]) -> None:
        """What became of the runs of the last round, in its order; None for one that is not done."""
        for (i, overrides), config, figures in zip(self.round, configs, metrics, strict=True):
            self.made[i][overrides] = Finished(overrides, config, figures or {})

    def report(self) -> list[str]:
        """What the designs say of what came out."""
        found = []
        for cell, design, made in zip(self.cells, self.designs, self.made, strict=True):
            lines = design.report(list(made.values()))
            if lines and len(self.cells) > 1:
                found.append(" ".join(cell))
            found += lines
        return found


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def options_of(given: DictConfig) -> SweepConfig:
    """The options of a sweep as the object that they describe.

    :raises ConfigError: for the first that cannot be.
    """
    missing = sorted(OmegaConf.missing_keys(given))
    if missing:
        raise ConfigError(f"{missing[0]}: no value is given")
    try:
        return OmegaConf.to_object(given)
    except OmegaConfBaseException as error:
        raise ConfigError(f"sweep.{one_line(error)}") from error
