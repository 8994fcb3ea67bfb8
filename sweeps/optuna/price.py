"""The price of a search: nobody knows which trials Optuna will choose, so it is a range over its space."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from sqlalchemy.engine import make_url

from openr1.config.schema import PathsConfig
from openr1.errors import ConfigError
from sweeps.cost.price import RunPrice, StagePrice, price_study
from sweeps.limits.amount import Amount, run_amount, total
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.results import _without_password
from sweeps.optuna.samplers import FINITE
from sweeps.optuna.space import Space
from sweeps.optuna.storage import JOURNAL, is_sqlite, open_storage
from sweeps.optuna.tally import Tally
from sweeps.planning.concurrency import runs_at_once
from sweeps.planning.loader import trial_config
from sweeps.planning.plan import PlannedRun, plan_runs
from sweeps.status import plan_file

SAMPLES = 8  # drawn from the space, whose mean is that of a trial

Say = Callable[[str], None]


@dataclass(frozen=True)
class SearchPrice:
    """
    :ivar probes: runs at the ends of the space.
    :ivar draws: runs drawn from it.
    :ivar impossible: why some of those that were tried cannot be.
    :ivar left: trials to come.
    """

    probes: list[RunPrice]
    draws: list[RunPrice]
    impossible: list[str]
    left: int
    at_once: int
    start: float

    def range(self, of: Callable[[RunPrice], float]) -> tuple[float, float, float]:
        """The least, the mean and the most of a trial."""
        everywhere = [of(one) for one in self.tried]
        return min(everywhere), mean(of(one) for one in self.typical), max(everywhere)

    @property
    def typical(self) -> list[RunPrice]:
        """What was drawn; where none of it can be, the ends."""
        return self.draws or self.probes

    @property
    def tried(self) -> list[RunPrice]:
        return [*self.probes, *self.draws]

    @property
    def timed(self) -> bool:
        return all(seconds_of(one) is not None for one in self.tried)

    @property
    def amount(self) -> Amount:
        """Of the trials to come, each as the mean."""
        return total(amount_of(one) for one in self.typical).scaled(self.left / len(self.typical))

    def duration(self, seconds: float) -> float:
        """Of the trials to come, each of which takes so long."""
        return self.start + seconds * self.left / min(self.at_once, max(1, self.left))


def seconds_of(one: RunPrice) -> float | None:
    """Of a trial from its beginning, without what another one makes for it."""
    times = [stage.timing.seconds if stage.timing else None for stage in _own(one)]
    return None if None in times else sum(times)


def _own(one: RunPrice) -> list[StagePrice]:
    """The stages that no run before makes for it; all of one that was drawn before, which is priced as a trial of its own."""
    return [stage for stage in one.stages if not stage.shared] or one.stages


def amount_of(one: RunPrice) -> Amount:
    flops = sum(stage.stage.estimate.flops_new or 0.0 for stage in _own(one))
    return run_amount(flops, seconds_of(one) or 0.0, one.run.config.compute)


def price_search(
    options: SearchConfig, space: Space, config: DictConfig, loader: ConfigLoader, left: int, needed: bool, say: Say
) -> SearchPrice:
    """Price runs at the ends of the space, and some drawn from it.

    :param config: of the app, composed without the sweeps.
    :param left: trials to come.
    :param needed: as :func:`sweeps.cost.price.price_study` has it.
    :raises ConfigError: where none of them can be.
    """
    first = {key: axis.probes()[0] for key, axis in space.axes.items()}
    ends = [first, {key: axis.probes()[-1] for key, axis in space.axes.items()}]
    ends += [first | {key: value} for key, axis in space.axes.items() for value in axis.probes()[1:]]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=options.seed))
    drawn = [study.ask(space.distributions).params for _ in range(SAMPLES)]
    impossible: list[ConfigError] = []

    def possible(params: Sequence[Mapping[str, Any]]) -> list[PlannedRun]:
        found = []
        for one in params:
            try:
                found += plan_runs([("", trial_config(loader, config, space.overrides(one)))])
            except ConfigError as error:  # its trial would fail, and the search go on
                impossible.append(error)
        return found

    probes, draws = possible(ends), possible(drawn)
    if not probes and not draws:
        raise impossible[0]
    at_once = options.n_jobs or runs_at_once(config)
    found = price_study([probes, draws], options, at_once, needed, say)
    reasons = list(map(str, impossible))
    return SearchPrice(*found.rounds, reasons, left, min(at_once, max(1, left)), found.start)


def tally_of(storage: str, name: str) -> Tally | None:
    """The trials of a study so far; None where there is none yet, which is not made for it.

    :raises ConfigError: for a storage that cannot be opened.
    """
    path = make_url(storage).database if is_sqlite(storage) else storage.removeprefix(JOURNAL)
    if (is_sqlite(storage) or storage.startswith(JOURNAL)) and not Path(path).exists():
        return None
    try:
        return Tally.of(optuna.load_study(storage=open_storage(storage), study_name=name))
    except KeyError:
        return None


def limit_of(options: SearchConfig, space: Space) -> int:
    """How many trials there will be: a sampler that tries everything once may need fewer."""
    if options.sampler not in FINITE:
        return options.n_trials
    size = 1
    for axis in space.axes.values():
        size *= len(axis.values() or range(options.n_trials))
    return min(options.n_trials, size)


def save(options: SearchConfig, limit: int, config: DictConfig, command: str, found: SearchPrice | None) -> Path:
    """``plan.json`` of a search.

    :param found: None where it was not priced; what it was priced at before is kept then.
    """
    paths: PathsConfig = OmegaConf.to_object(config.paths)
    path = plan_file.path_of(paths, options.name)
    before = json.loads(path.read_text()).get("search", {}) if path.exists() else {}
    about: dict[str, Any] = {"name": options.name, "storage": _without_password(options.storage), "n_trials": limit}
    about |= {"objective": dict(zip(options.objectives, options.directions, strict=True))}
    if found is None and "trial" in before:
        about["trial"] = before["trial"]
    elif found is not None:
        about["trial"] = {
            name: {"flops": flops, "seconds": seconds if found.timed else None}
            for name, flops, seconds in zip(
                ("least", "mean", "most"),
                found.range(lambda one: amount_of(one).flops),
                found.range(lambda one: seconds_of(one) or 0.0),
                strict=True,
            )
        }
    plan = {"search": about, "runs": [], "at_once": found.at_once if found else options.n_jobs or runs_at_once(config)}
    return plan_file.save(paths, options.name, command, plan)
