"""The price of a search: nobody knows which trials Optuna will choose, so it is a range over its space."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, open_dict
from sqlalchemy.engine import make_url

from openr1.config import Config, PathsConfig, typed
from sweeps.pricing import record
from sweeps.pricing.limits import check_confirmed, times_matter
from sweeps.pricing.price import RunPrice, StagePrice, price, side_by_side
from sweeps.rounds import planned
from sweeps.search.config import SearchConfig
from sweeps.search.results import _without_password
from sweeps.search.samplers import FINITE
from sweeps.search.space import Space
from sweeps.search.storage import JOURNAL, is_sqlite, open_storage
from sweeps.search.tally import Tally
from sweeps.spending import Amount, of_run, total

SAMPLES = 8  # drawn from the space, whose mean is that of a trial

Say = Callable[[str], None]


@dataclass(frozen=True)
class SearchPrice:
    """
    :ivar probes: runs at the ends of the space.
    :ivar draws: runs drawn from it.
    :ivar left: trials to come.
    """

    probes: list[RunPrice]
    draws: list[RunPrice]
    left: int
    at_once: int
    start: float

    def range(self, of: Callable[[RunPrice], float]) -> tuple[float, float, float]:
        """The least, the mean and the most of a trial."""
        everywhere = [of(one) for one in (*self.probes, *self.draws)]
        return min(everywhere), mean(of(one) for one in self.draws), max(everywhere)

    @property
    def timed(self) -> bool:
        return all(seconds_of(one) is not None for one in (*self.probes, *self.draws))

    @property
    def amount(self) -> Amount:
        """Of the trials to come, each as the mean."""
        return total(amount_of(one) for one in self.draws).scaled(self.left / len(self.draws))

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
    flops = sum(stage.stage.work.flops_new or 0.0 for stage in _own(one))
    return of_run(flops, seconds_of(one) or 0.0, one.run.config.compute)


def price_search(
    options: SearchConfig, space: Space, config: DictConfig, loader: ConfigLoader, left: int, say: Say
) -> SearchPrice:
    """Price runs at the ends of the space, and some drawn from it.

    :param config: of the app, composed without the sweeps.
    :param left: trials to come.
    :raises ConfigError: for a run that cannot be.
    """
    first = {key: axis.probes()[0] for key, axis in space.axes.items()}
    ends = [first, {key: axis.probes()[-1] for key, axis in space.axes.items()}]
    ends += [first | {key: value} for key, axis in space.axes.items() for value in axis.probes()[1:]]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=options.seed))
    drawn = [study.ask(space.distributions).params for _ in range(SAMPLES)]
    jobs = [tuple(space.overrides(params)) for params in (*ends, *drawn)]
    runs = planned(jobs, lambda job: _config(loader, config, job))
    at_once = options.n_jobs or side_by_side(config)
    found = price([runs], options, at_once, options.calibrate, say)
    return SearchPrice(found.runs[: len(ends)], found.runs[len(ends) :], left, min(at_once, max(1, left)), found.start)


def _config(loader: ConfigLoader, config: DictConfig, job: Sequence[str]) -> Config:
    composed = loader.load_sweep_config(config, list(job))
    with open_dict(composed):
        OmegaConf.resolve(composed.paths)  # first: the rest may refer to it
        del composed["hydra"]
    return typed(composed)


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
    path = record.path_of(paths, options.name)
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
    plan = {"search": about, "runs": [], "at_once": found.at_once if found else options.n_jobs or side_by_side(config)}
    return record.save(paths, options.name, command, plan)


def before_launch(options: SearchConfig, space: Space, config: DictConfig, loader: ConfigLoader, say: Say) -> None:
    """Of a search that is about to begin: write its ``plan.json``, and refuse it where it costs more than may start without a
    word. It is priced only where a limit needs it.

    :param config: of the app; one of another app than ``openr1`` has no price.
    :raises ConfigError: in a line that says the price and the limit.
    """
    if OmegaConf.get_type(config) is not Config:
        return
    limit, found = limit_of(options, space), None
    if not options.confirm and (options.ask_above.flops is not None or times_matter(options, [config.compute])):
        tally = tally_of(options.storage, options.name)
        left = max(0, limit - len(tally.ended) if tally else limit)
        found = price_search(options, space, config, loader, left, say)
        check_confirmed(found.amount, options)
    save(options, limit, config, record.command_of("openr1 -m", config), found)
