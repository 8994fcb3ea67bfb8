"""Expansion of a command line into runs: every combination of its values, and for each the rounds of the design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from openr1.config.schema import Config
from openr1.options import load_options
from openr1.stages.figures import check_figures
from openr1.sweeps.compat import split_sweeps
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs import DESIGNS, design_class
from openr1.sweeps.designs.base import Finished, Overrides
from openr1.sweeps.planning.grammar import parse_overrides, range_length
from openr1.sweeps.planning.loader import trial_config
from openr1.system.errors import ConfigError

MOST_RUNS = 100_000
Job = tuple[str, ...]  # all overrides of one run, those of the command line first


class Expansion:
    """The runs of a sweep, round by round. Each combination of the command line has a design of its own.

    :param config: of the app, composed without the sweeps.
    :param params: overrides and sweeps of ``hydra.sweeper.params``.
    :param arguments: of the command line; they override ``params``.
    :raises ConfigError: for an invalid option of the sweep.
    """

    def __init__(self, config: DictConfig, loader: ConfigLoader, params: Mapping[str, Any], arguments: Sequence[str]) -> None:
        self.config, self.loader = config, loader
        self.sweep = load_sweep(config.sweep)
        overrides = parse_overrides([*(f"{key}={value}" for key, value in params.items()), *arguments], loader)
        of_runs = [override for override in overrides if override.key_or_group.partition(".")[0] != "sweep"]
        for override in of_runs:
            if override.is_range_sweep():
                count = range_length(override.key_or_group, override)
                if count > MOST_RUNS:
                    raise ConfigError(
                        f"{override.key_or_group}: is a range of {count:,} values; a study has at most {MOST_RUNS:,}"
                    )
            if override.is_interval_sweep():
                given = override.get_value_string()
                raise ConfigError(f"{override.key_or_group}: {given} is continuous; give a list of values, or sweep=search")
        combinations = split_sweeps(of_runs)
        design = design_class(self.sweep.kind)
        self.combinations = [tuple(combination) for combination in combinations]
        self.designs = [design(self.sweep, partial(self._compose, combination)) for combination in self.combinations]
        for combination, of_combination in zip(self.combinations, self.designs, strict=True):
            if of_combination.objective is not None:
                check_figures([of_combination.objective], "sweep.objective", self._compose(combination, ()))
        # of each combination, in the order of its rounds
        self.finished: list[dict[Overrides, Finished]] = [{} for _ in self.combinations]

    def config_of(self, job: Sequence[str]) -> Config:
        """Compose the config of one run and check it."""
        return trial_config(self.loader, self.config, job)

    def _compose(self, combination: Job, overrides: Sequence[str]) -> Config:
        return self.config_of(self._job(combination, overrides))

    def _job(self, combination: Job, overrides: Sequence[str]) -> Job:
        given = {_key(override) for override in combination}
        for key in map(_key, overrides):
            if key in given:
                raise ConfigError(f"{key}: sweep={self.sweep.kind} decides it; leave it out")
        return (*combination, *overrides)

    def next(self) -> list[Job]:
        """Return the runs of the next round of all designs; none where the study is complete.

        :raises ConfigError: for an impossible design.
        """
        self.round = [
            (i, overrides)
            for i, design in enumerate(self.designs)
            for overrides in design.next(list(self.finished[i].values()))
        ]
        return [self._job(self.combinations[i], overrides) for i, overrides in self.round]

    def known_later(self) -> list[Job]:
        """Return the runs that follow the last round, as far as they do not depend on its results."""
        return [
            self._job(combination, overrides)
            for combination, design, finished in zip(self.combinations, self.designs, self.finished, strict=True)
            for overrides in design.known_later(list(finished.values()))
        ]

    @property
    def adapts(self) -> bool:
        """True if results decide on further runs."""
        return any(design.adapts for design in self.designs)

    def tell(self, configs: Sequence[Config], metrics: Sequence[dict[str, float] | None]) -> None:
        """Record the results of the last round, in its order; None for a run that is not done."""
        for (i, overrides), config, values in zip(self.round, configs, metrics, strict=True):
            self.finished[i][overrides] = Finished(overrides, config, values or {})

    def report(self) -> list[str]:
        """Return what the designs report of the results, a line each."""
        report = []
        for combination, design, finished in zip(self.combinations, self.designs, self.finished, strict=True):
            lines = design.report(list(finished.values()))
            if lines and len(self.combinations) > 1:
                report.append(" ".join(combination))
            report += lines
        return report


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def load_sweep(cfg: DictConfig) -> SweepConfig:
    """Build the options of a sweep of a composed config.

    :raises ConfigError: for the first that is missing or invalid, and for a sweep that is no design.
    """
    kind = cfg.get("kind")
    if kind not in DESIGNS:
        raise ConfigError(f"sweep={kind}: needs hydra/sweeper=optuna; hydra/sweeper=design has {', '.join(DESIGNS)}")
    options = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    return load_options(DESIGNS[kind][0], options, "sweep")
