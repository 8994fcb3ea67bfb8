"""Options of a search with Optuna: ``sweep=``. Nothing here imports optuna."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Interval, Le
from omegaconf import MISSING

from openr1.options import one_of
from openr1.options.ranges import OneOf, Seconds, Seed, Share, Typed, Unit
from openr1.sweeps.config import SweepConfig
from openr1.system.errors import ConfigError
from openr1.tracking.names import check_folder

DIRECTIONS = ("minimize", "maximize")
NAMES, OPTIONS = Typed(str | list[str]), Typed(dict[str, Any] | None)


@dataclass
class AxisConfig:
    """One axis of a search space, as a config rather than in the grammar of overrides."""

    type: Annotated[str, OneOf(("float", "int", "categorical"))] = MISSING  # float, int or categorical
    low: float | None = None
    high: float | None = None  # inclusive
    step: float | None = None
    log: bool = False
    choices: list[Any] = field(default_factory=list)


@dataclass
class SearchConfig(SweepConfig):
    """Options of a search. The same command resumes its study, or joins it as one more worker.

    Mappings are null by default, so that ``sweep.constraints={flops:1e12}`` needs no ``+``.
    """

    kind: str = "search"
    storage: str = MISSING  # sqlite:///FILE, postgresql://…, or journal://FILE, which may lie on a network file system
    n_trials: Annotated[int, Ge(1), Le(10**6)] = 20  # in total over all workers; failed trials count, retried trials count once
    timeout_minutes: Annotated[float, Ge(0), Le(1e7), Unit("minutes")] | None = (
        None  # this worker starts no trial after this time
    )
    seed: Seed = 0  # a worker's own seed follows from it and from the number of the worker's first trial
    # concurrent trials of this worker; null for the number of processes of hydra/launcher=local
    n_jobs: Annotated[int, Ge(1), Le(10_000)] | None = None

    objective: Annotated[Any, NAMES] = "eval_loss"  # a metric of a run, or a list of several
    direction: Annotated[Any, NAMES] = "minimize"  # minimize or maximize, for all or for each
    constraints: Annotated[Any, Typed(dict[str, float] | None)] = None  # metric -> its upper bound
    # configs that are tried first: {optim.lr: 1e-3, …}
    enqueue: Annotated[list[Any], Typed(list[dict[str, Any]])] = field(default_factory=list)

    sampler: str = "tpe"  # a name in openr1.sweeps.optuna.samplers.SAMPLERS
    sampler_options: Annotated[Any, OPTIONS] = None  # keyword arguments of Optuna's class
    pruner: str = "none"  # a name in openr1.sweeps.optuna.pruners.PRUNERS
    pruner_options: Annotated[Any, OPTIONS] = None  # steps are counted in tokens
    terminator: str = "none"  # a name in openr1.sweeps.optuna.terminators.TERMINATORS
    terminator_options: Annotated[Any, OPTIONS] = None

    retries: Annotated[int, Interval(ge=0, le=1000)] = 0  # of a trial that raises
    lost_retries: Annotated[int, Interval(ge=0, le=1000)] = 3  # of a trial whose worker was killed
    heartbeat_seconds: Seconds = 30.0
    grace_seconds: Seconds = 120.0  # without a heartbeat, after which a trial counts as lost
    max_failure_rate: Share = 0.5  # share of the trials that ended; above it the search stops
    failure_min_trials: Annotated[int, Ge(0), Le(10**6)] = 5  # trials that must have ended before the failure rate counts
    oom_key: str | None = "compute.micro_batch"  # halved for a retry when memory runs out; null for no such retry
    oom_halvings: Annotated[int, Interval(ge=0, le=100)] = 3

    @property
    def objectives(self) -> list[str]:
        return [self.objective] if isinstance(self.objective, str) else list(self.objective)

    @property
    def directions(self) -> list[str]:
        given = [self.direction] if isinstance(self.direction, str) else list(self.direction)
        return given * len(self.objectives) if len(given) == 1 else given


def validate_options(sweep: SearchConfig) -> None:
    """Refuse options that contradict each other or are out of range.

    :raises ConfigError: for the first.
    """
    check_folder(sweep.name, "sweep.name", nested=True)
    for key, names in (("objective", sweep.objectives), ("direction", sweep.directions)):
        if not names or not all(names):
            raise ConfigError(f"sweep.{key}: must be a name or a list of names, not {getattr(sweep, key)!r}")
    if len(sweep.directions) != len(sweep.objectives):
        given, wanted = len(sweep.directions), len(sweep.objectives)
        raise ConfigError(f"sweep.direction: {given} for {wanted} objectives; give one for all, or one for each")
    for direction in sweep.directions:
        one_of(direction, "sweep.direction", DIRECTIONS)
    if len(set(sweep.objectives)) < len(sweep.objectives):
        raise ConfigError("sweep.objective: names a metric twice")
    if sweep.grace_seconds < 2 * sweep.heartbeat_seconds:
        raise ConfigError(f"sweep.grace_seconds: must be at least two heartbeats of {sweep.heartbeat_seconds:g} s")
