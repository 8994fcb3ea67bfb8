"""The job of one trial, wherever a launcher runs it: the app's own function, watched on behalf of Optuna."""

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

from openr1.errors import Pruned, RunError
from openr1.options import one_line
from openr1.tracking.observer import RunObserver, observing
from sweeps.limits.amount import Amount, run_amount, total
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.process import end_with, whoami
from sweeps.optuna.pruners import pruner
from sweeps.optuna.storage import open_storage


@dataclass
class Outcome:
    """What became of a trial; it can be pickled, whatever its error was."""

    metrics: dict[str, float] = field(default_factory=dict)
    foreseen: dict[str, float] = field(default_factory=dict)  # figures of a whole run, of one that was pruned
    spent: Amount = field(default_factory=Amount)
    run_id: str | None = None  # in MLflow
    pruned: str | None = None
    failure: str | None = None  # in one line
    traceback: str | None = None
    out_of_memory: bool = False
    batch: int | None = None  # sequences of a forward pass, where memory was out
    halved: dict[str, int] = field(default_factory=dict)  # what they came to


@functools.cache
def _study(storage: str, name: str) -> Study:
    return optuna.load_study(storage=open_storage(storage), study_name=name)


class OptunaWatcher(RunObserver):
    """Stores a trial's evaluations, and ends it where the study's pruner says so.

    Trials whose steps are of different sizes are evaluated at about, and compared at exactly, the same tokens: the first
    evaluation beyond a multiple of ``every`` counts as one at the multiple.
    """

    def __init__(self, sweep: SearchConfig, number: int) -> None:
        super().__init__({"trial_number": str(number), "sweep": sweep.name})
        self.sweep, self.number = sweep, number
        self.pruner = pruner(sweep)
        self.marks = 0.0  # multiples that are behind

    @functools.cached_property
    def trial_id(self) -> int:
        study = _study(self.sweep.storage, self.sweep.name)
        return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, self.number)

    def report(self, tokens: int, metrics: dict[str, float], every: float | None) -> None:
        (objective, *others) = self.sweep.objectives
        if others or objective not in metrics:
            return  # Optuna has curves of one objective
        study, value = _study(self.sweep.storage, self.sweep.name), metrics[objective]
        try:
            study._storage.set_trial_intermediate_value(self.trial_id, self._compared(tokens, every), value)
        except optuna.exceptions.UpdateFinishedTrialError as error:
            raise RunError(f"trial {self.number} has ended for its study: its worker is gone, or was thought to be") from error
        if self.pruner.prune(study, study._storage.get_trial(self.trial_id)):
            raise Pruned(f"by sweep.pruner={self.sweep.pruner} at {objective} {value:.4f} after {tokens:,} tokens")

    def _compared(self, tokens: int, every: float | None) -> int:
        if every is None or tokens // every <= self.marks:
            return tokens
        self.marks = tokens // every
        return round(self.marks * every)


@dataclass
class TrialJob:
    """Takes the place of the app's function in a launcher. The trial's number is the job's.

    :ivar worker: that waits for it.
    """

    function: Callable[[DictConfig], Any]
    sweep: SearchConfig
    worker: dict[str, object] = field(default_factory=whoami)

    def __call__(self, config: DictConfig) -> Outcome:
        end_with(self.worker)
        observer = OptunaWatcher(self.sweep, HydraConfig.get().job.num)
        outcome = Outcome()
        try:
            with observing(observer):
                returned = self.function(config)
            outcome.metrics = _figures(returned, self.sweep.objectives) | observer.noted.get("metrics", {})
        except (Pruned, optuna.TrialPruned) as error:
            outcome.pruned = str(error)
            outcome.foreseen = observer.noted.get("foreseen", {})
        except Exception as error:
            outcome.failure = f"{type(error).__name__}: {one_line(error)}"[:1000]
            outcome.traceback = traceback.format_exc()
            outcome.out_of_memory = _out_of_memory(error)
            key = self.sweep.oom_key
            outcome.batch = (OmegaConf.select(config, key) if key else None) or observer.noted.get("micro_batch")
        outcome.run_id = observer.noted.get("run_id")
        outcome.spent = total(_cost(used, config) for used in observer.spent.values())
        return outcome


def _figures(returned: Any, objectives: Sequence[str]) -> dict[str, float]:
    """What an app's function returned, by name: a mapping, or the objectives in order."""
    if isinstance(returned, Mapping):
        return dict(returned)
    values = [returned] if isinstance(returned, Real) else returned
    return dict(zip(objectives, values, strict=False)) if isinstance(values, Sequence) else {}


def _cost(used: Mapping[str, float], config: DictConfig) -> Amount:
    return run_amount(used["flops"], used["wall_seconds"], config.compute) if "compute" in config else Amount(used["flops"])


def _out_of_memory(error: BaseException) -> bool:
    """Of a GPU, or of the machine: torch raises a plain RuntimeError where its allocator on the processor fails."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
