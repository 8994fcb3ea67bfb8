"""The price of a search before its trials are known: a range over its space, from its ends and from samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from openr1.sweeps.cost.price import RunPrice, StagePrice, price_study
from openr1.sweeps.limits.amount import Amount, run_amount, total
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.space import Space
from openr1.sweeps.planning.concurrency import runs_at_once
from openr1.sweeps.planning.loader import trial_config
from openr1.sweeps.planning.plan import PlannedRun, plan_runs
from openr1.system.errors import ConfigError

SAMPLES = 8  # from the space, whose mean is taken as that of a trial

Say = Callable[[str], None]


@dataclass(frozen=True)
class SearchPrice:
    """The price of the trials to come.

    :ivar ends: runs at the ends of the space.
    :ivar samples: runs sampled from it.
    :ivar invalid: the errors of those configs that are invalid.
    :ivar remaining: trials to come.
    :ivar start: seconds of a worker before its first trial.
    """

    ends: list[RunPrice]
    samples: list[RunPrice]
    invalid: list[str]
    remaining: int
    at_once: int
    start: float

    def range(self, figure: Callable[[RunPrice], float]) -> tuple[float, float, float]:
        """Return the least, the mean and the most of a figure of a trial."""
        figures = [figure(trial) for trial in self.trials]
        return min(figures), mean(figure(trial) for trial in self.typical), max(figures)

    @property
    def typical(self) -> list[RunPrice]:
        """The runs whose mean counts: the samples, or the ends where no sample is valid."""
        return self.samples or self.ends

    @property
    def trials(self) -> list[RunPrice]:
        return [*self.ends, *self.samples]

    @property
    def timed(self) -> bool:
        return all(trial_seconds(trial) is not None for trial in self.trials)

    @property
    def amount(self) -> Amount:
        """The amount of all trials to come, each at the mean."""
        return total(trial_amount(trial) for trial in self.typical).scaled(self.remaining / len(self.typical))

    def duration(self, seconds: float) -> float:
        """Return the seconds of all trials to come, each of which takes ``seconds``."""
        return self.start + seconds * self.remaining / min(self.at_once, max(1, self.remaining))


def trial_seconds(trial: RunPrice) -> float | None:
    """Return the seconds of a trial from its beginning, without shared stages; None where they are unknown."""
    seconds = 0.0
    for stage in _own_stages(trial):
        if stage.timing is None:
            return None
        seconds += stage.timing.seconds
    return seconds


def trial_amount(trial: RunPrice) -> Amount:
    """Return the amount that a trial takes from its beginning, without shared stages."""
    flops = sum(stage.stage.estimate.flops_new or 0.0 for stage in _own_stages(trial))
    return run_amount(flops, trial_seconds(trial) or 0.0, trial.run.config.compute)


def _own_stages(trial: RunPrice) -> list[StagePrice]:
    """Return the stages that no run before makes; all stages of a config that was sampled twice."""
    return [stage for stage in trial.stages if not stage.shared] or trial.stages


def price_search(
    options: SearchConfig, space: Space, config: DictConfig, loader: ConfigLoader, remaining: int, needed: bool, say: Say
) -> SearchPrice:
    """Price runs at the ends of the space, and some sampled from it.

    :param config: of the app, composed without the sweeps.
    :param remaining: trials to come.
    :param needed: as :func:`openr1.sweeps.cost.price.price_study` takes it.
    :raises ConfigError: where all of them are invalid.
    """
    first = {key: axis.end_values()[0] for key, axis in space.axes.items()}
    end_params = [first, {key: axis.end_values()[-1] for key, axis in space.axes.items()}]
    end_params += [first | {key: value} for key, axis in space.axes.items() for value in axis.end_values()[1:]]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=options.seed))
    sampled_params = [study.ask(space.distributions).params for _ in range(SAMPLES)]
    errors: list[ConfigError] = []

    def plan_valid(all_params: Sequence[Mapping[str, Any]]) -> list[PlannedRun]:
        runs: list[PlannedRun] = []
        for params in all_params:
            try:
                runs += plan_runs([("", trial_config(loader, config, space.overrides(params)))])
            except ConfigError as error:  # such a trial would fail, and the search continue
                errors.append(error)
        return runs

    ends, samples = plan_valid(end_params), plan_valid(sampled_params)
    if not ends and not samples:
        raise errors[0]
    at_once = options.n_jobs or runs_at_once(config)
    priced = price_study([ends, samples], options, at_once, needed, say)
    priced_ends, priced_samples = priced.rounds
    reasons = list(map(str, errors))
    return SearchPrice(priced_ends, priced_samples, reasons, remaining, min(at_once, max(1, remaining)), priced.start)
