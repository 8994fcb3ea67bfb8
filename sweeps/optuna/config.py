"""Options of a sweep that Optuna decides: ``sweep=``. Nothing here imports optuna."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from sweeps.config import SweepConfig


@dataclass
class AxisConfig:
    """One axis of a search space, as a config rather than in the grammar of overrides."""

    type: str = MISSING  # float, int or categorical
    low: float | None = None
    high: float | None = None  # inclusive
    step: float | None = None
    log: bool = False
    choices: list[Any] = field(default_factory=list)


@dataclass
class SearchConfig(SweepConfig):
    """A study of Optuna. The same command resumes it, or joins it as one more worker.

    What maps names to values is null by default, so that ``sweep.constraints={flops:1e12}`` needs no ``+``.
    """

    kind: str = "search"
    storage: str = MISSING  # sqlite:///FILE, postgresql://…, or journal://FILE, which may lie on a network file system
    n_trials: int = 20  # in all, whoever runs them; those that fail count, those that are tried again do not
    timeout_minutes: float | None = None  # no trial starts in this worker after so long
    seed: int = 0  # a worker's own follows from it and from the number of its first trial
    n_jobs: int | None = None  # trials at once in this worker; null for as many as hydra/launcher=local or joblib has processes

    objective: Any = "eval_loss"  # a figure of a run, or a list of several
    direction: Any = "minimize"  # minimize or maximize, for all or for each
    constraints: Any = None  # figure -> the most that it may be
    enqueue: list[Any] = field(default_factory=list)  # configs that are tried first: {optim.lr: 1e-3, …}

    sampler: str = "tpe"  # a name in sweeps.optuna.samplers.SAMPLERS
    sampler_options: Any = None  # keyword arguments of Optuna's class
    pruner: str = "none"  # a name in sweeps.optuna.pruners.PRUNERS
    pruner_options: Any = None  # their steps are tokens
    terminator: str = "none"  # a name in sweeps.optuna.terminators.TERMINATORS
    terminator_options: Any = None

    retries: int = 0  # of a trial that raises
    lost_retries: int = 3  # of a trial whose worker was killed
    heartbeat_seconds: float = 30.0
    grace_seconds: float = 120.0  # without a heartbeat, after which a trial counts as lost
    max_failure_rate: float = 0.5  # of the trials that ended; above it the sweep stops
    failure_min_trials: int = 5  # before which it does not
    oom_key: str | None = "compute.micro_batch"  # halved, and the trial tried again, when memory is out; null for never
    oom_halvings: int = 3

    @property
    def objectives(self) -> list[str]:
        return [self.objective] if isinstance(self.objective, str) else list(self.objective)

    @property
    def directions(self) -> list[str]:
        given = [self.direction] if isinstance(self.direction, str) else list(self.direction)
        return given * len(self.objectives) if len(given) == 1 else given
