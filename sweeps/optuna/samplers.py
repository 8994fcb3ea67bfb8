"""Optuna's samplers by name, with a seed for each worker."""

from __future__ import annotations

import hashlib
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import optuna
from optuna import Study, samplers
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from openr1.options import check_type, one_of
from openr1.options.types import hints_of
from openr1.sweeps.optuna.compat import is_stop_outside_optimize
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.space import Space
from openr1.system.errors import ConfigError

T = TypeVar("T")

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
FINITE = ("grid", "bruteforce")  # try every point of a finite space once
SHARED_SEED = ("grid", "qmc")  # workers share one sequence, which the seed fixes


def create_sampler(sweep: SearchConfig, space: Space) -> PerWorkerSampler:
    """Return the sampler of a search.

    :raises ConfigError: for an unknown one, or one that cannot search this space for these objectives.
    """
    kind = look_up("sampler", SAMPLERS, sweep.sampler)
    options = dict(sweep.sampler_options or {})
    refuse_unknown_options("sampler", kind, options, ("seed", "search_space"))
    if sweep.sampler in FINITE:
        values = {key: axis.all_values() for key, axis in space.axes.items()}
        continuous = next((key for key, choices in values.items() if choices is None), None)
        if continuous:
            raise ConfigError(
                f"sweep.sampler: {sweep.sampler} needs a finite space; {continuous} is continuous: give a range or a choice"
            )
        if sweep.sampler == "grid":
            options["search_space"] = values
    if sweep.sampler == "cmaes" and len(sweep.objectives) > 1:
        raise ConfigError("sweep.sampler: cmaes takes one objective; choose nsga2, nsga3, tpe or gp")

    def create(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return kind(**{"seed": sweep.seed if sweep.sampler in SHARED_SEED else seed}, **options)

    try:
        create(0)  # so that a wrong value of an option is refused now
    except (TypeError, ValueError) as error:
        raise ConfigError(f"sweep.sampler_options: {error}") from error
    return PerWorkerSampler(create, f"{sweep.seed} {sweep.name}")


def look_up(key: str, kinds: dict[str, T], name: str) -> T:
    """Return the entry of this name.

    :raises ConfigError: where there is none.
    """
    one_of(name, f"sweep.{key}", kinds)
    return kinds[name]


def refuse_unknown_options(key: str, kind: Callable, options: dict[str, Any], reserved: tuple[str, ...] = ()) -> None:
    """Refuse options that the class or function has no argument for, or one of another type.

    :param reserved: arguments that are not the user's to give.
    :raises ConfigError: for the first.
    """
    hints = hints_of(kind)
    known = [name for name in inspect.signature(kind).parameters if name not in reserved]
    for name, value in options.items():
        if name not in known:
            raise ConfigError(f"sweep.{key}_options.{name}: no such option; there are {', '.join(known) or 'none'}")
        whole = isinstance(value, float) and value.is_integer()  # 1e6 is a number of tokens
        check_type(int(value) if whole else value, hints.get(name, Any), f"sweep.{key}_options.{name}")
        if isinstance(value, int | float) and not value >= 0:  # all are counts, steps, shares or scales
            raise ConfigError(f"sweep.{key}_options.{name}: must be at least 0, not {value}")


class PerWorkerSampler(BaseSampler):
    """A sampler that is created with the first trial of its worker, and seeded by the number of that trial, which is unique.

    With one seed for all workers, and again after a resume, the same samples would be drawn again.
    """

    def __init__(self, create: Callable[[int], BaseSampler], salt: str) -> None:
        self.create, self.salt = create, salt
        self.sampler: BaseSampler | None = None

    @property
    def inner(self) -> BaseSampler:
        if self.sampler is None:
            raise RuntimeError("before_trial creates the sampler")
        return self.sampler

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if self.sampler is None:
            digest = hashlib.sha256(f"{self.salt} {trial.number}".encode()).digest()
            self.sampler = self.create(int.from_bytes(digest[:4], "big"))
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        if self.sampler is None:
            return  # another worker ran the trial
        try:
            self.sampler.after_trial(study, trial, state, values)
        except RuntimeError as error:
            # a sampler whose finite space is exhausted stops study.optimize; our workers count trials themselves
            if not is_stop_outside_optimize(error):
                raise

    def reseed_rng(self) -> None:
        if self.sampler:
            self.sampler.reseed_rng()
