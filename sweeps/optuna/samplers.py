"""Optuna's samplers by name, each worker with a seed of its own."""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna import samplers
from optuna.samplers import BaseSampler

from openr1.errors import ConfigError
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.space import Space

SAMPLERS: dict[str, type[BaseSampler]] = {
    "tpe": samplers.TPESampler,
    "gp": samplers.GPSampler,
    "cmaes": samplers.CmaEsSampler,
    "nsga2": samplers.NSGAIISampler,
    "nsga3": samplers.NSGAIIISampler,
    "qmc": samplers.QMCSampler,
    "grid": samplers.GridSampler,
    "random": samplers.RandomSampler,
    "bruteforce": samplers.BruteForceSampler,
}
FINITE = ("grid", "bruteforce")
SHARED_SEED = ("grid", "qmc")  # whose workers take turns in one sequence, which the seed decides


def sampler(sweep: SearchConfig, space: Space) -> PerWorker:
    """The sampler of a sweep.

    :raises ConfigError: for one that there is not, or that cannot do this.
    """
    kind = choose("sampler", SAMPLERS, sweep.sampler)
    options = dict(sweep.sampler_options or {})
    check_options("sampler", kind, options, ("seed", "search_space"))
    if sweep.sampler in FINITE:
        values = {key: axis.values() for key, axis in space.axes.items()}
        endless = next((key for key, found in values.items() if found is None), None)
        if endless:
            raise ConfigError(
                f"sweep.sampler: {sweep.sampler} needs a finite space; {endless} is continuous: give a range or a choice"
            )
        if sweep.sampler == "grid":
            options["search_space"] = values
    if sweep.sampler == "cmaes" and len(sweep.objectives) > 1:
        raise ConfigError("sweep.sampler: cmaes has one objective; take nsga2, nsga3, tpe or gp")

    def make(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return kind(seed=sweep.seed if sweep.sampler in SHARED_SEED else seed, **options)

    make(0)  # an option that it refuses is refused now
    return PerWorker(make, f"{sweep.seed} {sweep.name}")


def choose(key: str, kinds: dict[str, Any], name: str) -> Any:
    if name not in kinds:
        raise ConfigError(f"sweep.{key}: {name!r} is not one of {', '.join(kinds)}")
    return kinds[name]


def check_options(key: str, kind: Callable, options: dict[str, Any], ours: tuple[str, ...] = ()) -> None:
    """Refuse what the class has no argument for."""
    known = [name for name in inspect.signature(kind).parameters if name not in ours]
    for name in options:
        if name not in known:
            raise ConfigError(f"sweep.{key}_options.{name}: no such option; there are {', '.join(known) or 'none'}")


class PerWorker(BaseSampler):
    """A sampler that is made when its worker has its first trial, seeded by that trial's number, which no other worker has.

    A seed that were the same in every worker, and again on resume, would give the same samples again.
    """

    def __init__(self, make: Callable[[int], BaseSampler], salt: str) -> None:
        self.make, self.salt = make, salt
        self.inner: BaseSampler | None = None

    def before_trial(self, study, trial) -> None:
        if self.inner is None:
            text = hashlib.sha256(f"{self.salt} {trial.number}".encode()).digest()
            self.inner = self.make(int.from_bytes(text[:4], "big"))
        self.inner.before_trial(study, trial)

    def infer_relative_search_space(self, study, trial):
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study, trial, state, values) -> None:
        if self.inner is None:
            return  # the trial was another worker's
        try:
            self.inner.after_trial(study, trial, state, values)
        except RuntimeError as error:
            # a finite space that is exhausted: study.stop() is for study.optimize, and ours counts for itself
            if "stop" not in str(error):
                raise

    def reseed_rng(self) -> None:
        if self.inner:
            self.inner.reseed_rng()
