"""The task of one trial, wherever a launcher runs it: the app's own function, observed on behalf of Optuna."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import optuna
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from optuna import Study

from openr1.options import one_line
from openr1.sweeps.limits.amount import Amount, run_amount, total
from openr1.sweeps.optuna.compat import storage_of, trial_id_of_number
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.pruners import create_pruner
from openr1.sweeps.optuna.storage import open_storage
from openr1.sweeps.planning.worker_process import exit_with
from openr1.system.errors import Pruned, RunError
from openr1.system.processes import ProcessIdentity, current_process
from openr1.tracking.observer import RunObserver, observing


@dataclass
class TrialOutcome:
    """The result of a trial; it can be pickled, whatever its error was."""

    metrics: dict[str, float] = field(default_factory=dict)
    estimated: dict[str, float] = field(default_factory=dict)  # of a pruned trial: metrics known before it started
    spent: Amount = field(default_factory=Amount)
    run_id: str | None = None  # in MLflow
    pruned: str | None = None  # the reason
    failure: str | None = None  # the reason, in one line
    traceback: str | None = None
    out_of_memory: bool = False
    batch: int | None = None  # sequences of a forward pass, when memory ran out
    halved: dict[str, int] = field(default_factory=dict)  # sweep.oom_key and its value after the last halving


@functools.cache
def _load_study(storage: str, name: str) -> Study:
    return optuna.load_study(storage=open_storage(storage), study_name=name)


class OptunaObserver(RunObserver):
    """An observer that stores a trial's evaluations, and ends the trial when the study's pruner says so.

    Trials with steps of different sizes are evaluated at about, and compared at exactly, the same tokens: the first
    evaluation beyond a multiple of ``every`` counts as one at the multiple.
    """

    def __init__(self, sweep: SearchConfig, number: int) -> None:
        super().__init__({"trial_number": str(number), "sweep": sweep.name}, f"t{number:03}")
        self.sweep, self.number = sweep, number
        self.pruner = create_pruner(sweep)
        self.multiples = 0.0  # of ``every`` that the trial has passed

    @functools.cached_property
    def trial_id(self) -> int:
        return trial_id_of_number(_load_study(self.sweep.storage, self.sweep.name), self.number)

    def report(self, tokens: int, metrics: dict[str, float], every: float | None) -> None:
        (objective, *others) = self.sweep.objectives
        if others or objective not in metrics:
            return  # Optuna stores intermediate values of one objective only
        study, value = _load_study(self.sweep.storage, self.sweep.name), metrics[objective]
        storage = storage_of(study)
        try:
            storage.set_trial_intermediate_value(self.trial_id, self._step(tokens, every), value)
        except optuna.exceptions.UpdateFinishedTrialError as error:
            raise RunError(f"trial {self.number} has ended in its study: its worker is gone, or was taken to be") from error
        if self.pruner.prune(study, storage.get_trial(self.trial_id)):
            raise Pruned(f"by sweep.pruner={self.sweep.pruner} at {objective} {value:.4f} after {tokens:,} tokens")

    def _step(self, tokens: int, every: float | None) -> int:
        if every is None or tokens // every <= self.multiples:
            return tokens
        self.multiples = tokens // every
        return round(self.multiples * every)


@dataclass
class TrialTask:
    """A task function that takes the place of the app's own in a launcher. The trial's number is the job's.

    :ivar worker: the process that waits for it.
    """

    function: Callable[[DictConfig], Any]
    sweep: SearchConfig
    worker: ProcessIdentity = field(default_factory=current_process)

    def __call__(self, config: DictConfig) -> TrialOutcome:
        exit_with(self.worker)
        observer = OptunaObserver(self.sweep, HydraConfig.get().job.num)
        outcome = TrialOutcome()
        try:
            with observing(observer):
                returned = self.function(config)
            outcome.metrics = observer.noted.get("metrics") or _named_metrics(returned, self.sweep.objectives)
        except (Pruned, optuna.TrialPruned) as error:
            outcome.pruned = str(error)
            outcome.estimated = observer.noted.get("estimated", {})
        except Exception as error:
            outcome.failure = f"{type(error).__name__}: {one_line(error)}"[:1000]
            outcome.traceback = traceback.format_exc()
            outcome.out_of_memory = is_out_of_memory(error)
            key = self.sweep.oom_key
            outcome.batch = (OmegaConf.select(config, key) if key else None) or observer.noted.get("micro_batch")
        outcome.run_id = observer.noted.get("run_id")
        outcome.spent = total(_amount_of(used, config) for used in observer.spent.values())
        return outcome


def _named_metrics(returned: Any, objectives: Sequence[str]) -> dict[str, float]:
    """Return the result of another app's function by name: it is a mapping, or the objectives in order."""
    if isinstance(returned, Mapping):
        return dict(returned)
    values: Any = [returned] if isinstance(returned, Real) else returned
    return dict(zip(objectives, values, strict=False)) if isinstance(values, Sequence) else {}


def _amount_of(used: Mapping[str, float], config: DictConfig) -> Amount:
    return run_amount(used["flops"], used["wall_seconds"], config.compute) if "compute" in config else Amount(used["flops"])


def is_out_of_memory(error: BaseException) -> bool:
    """Return True for memory of a GPU or of the machine; torch's CPU allocator raises a plain RuntimeError."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
