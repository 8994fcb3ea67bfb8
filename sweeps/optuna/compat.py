"""Private parts of Optuna 5.0.0 that a search relies on.

``tests/sweeps/optuna/test_compat.py`` fails when the source of one of them changes.
"""

from __future__ import annotations

from typing import Any

from optuna import Study, Trial
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

# system attributes of a trial, under the names of RetryHeartbeatStaleTrialCallback and Study.enqueue_trial
RETRY_HISTORY = "retry_history"  # numbers of the trials that this one repeats
FIRST_FAILED = "failed_trial"  # the first of them
FIXED_PARAMS = "fixed_params"  # parameters that were given rather than sampled
CONSTRAINTS = "constraints"  # beginning of the names of constraints (optuna/study/_constrained_optimization.py)


def storage_of(study: Study) -> BaseStorage:
    """Return the storage of a study, whose methods are public but which a study has no name for."""
    return study._storage


def trial_id(trial: Trial | FrozenTrial) -> int:
    """Return the id of a trial in its storage, which is not its number in the study."""
    return trial._trial_id


def trial_id_of_number(study: Study, number: int) -> int:
    """Return the id in the storage of the trial with this number."""
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def stored_trial(study: Study, trial: Trial) -> FrozenTrial:
    """Read a trial from the storage, with what other processes have changed in it."""
    return study._storage.get_trial(trial._trial_id)


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """Sample a parameter from a distribution; ``suggest_float`` and its like take bounds instead."""
    return trial._suggest(name, distribution)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Return True where a distribution can give a value."""
    return distribution._contains(distribution.to_internal_repr(value))


def is_stop_outside_optimize(error: RuntimeError) -> bool:
    """Return True for the error of ``Study.stop`` outside of ``Study.optimize``, which a sampler with no points left calls."""
    return "`Study.stop` is supposed to be invoked" in str(error)
