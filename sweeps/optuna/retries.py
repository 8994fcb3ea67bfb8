"""Trials that return to the queue of a study."""

from __future__ import annotations

from typing import Any

import optuna
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from sweeps.optuna.compat import CONSTRAINTS, FIRST_FAILED, FIXED_PARAMS, RETRY_HISTORY, storage_of, trial_id
from sweeps.optuna.heartbeat import ATTRIBUTE as HEARTBEAT
from sweeps.optuna.trial_counts import SURPLUS


def retry_trial(study: Study, trial: FrozenTrial, reason: str, retries: int) -> bool:
    """Record a trial as failed and put its parameters back into the queue, at most ``retries`` times.

    :returns: True where it is in the queue again; False also where another worker has ended it.
    """
    storage = storage_of(study)
    try:
        storage.set_trial_user_attr(trial_id(trial), "failure", reason)
        if not storage.set_trial_state_values(trial_id(trial), state=TrialState.FAIL):
            return False
    except optuna.exceptions.UpdateFinishedTrialError:
        return False
    history = [*trial.system_attrs.get(RETRY_HISTORY, []), trial.number]
    if len(history) > retries:
        return False
    _enqueue(study, trial, {FIRST_FAILED: history[0], RETRY_HISTORY: history})
    return True


def discard_trial(study: Study, trial: FrozenTrial) -> None:
    """End a trial that must not begin, so that it does not count; one that came from the queue returns to it."""
    storage_of(study).set_trial_user_attr(trial_id(trial), SURPLUS, True)
    storage_of(study).set_trial_state_values(trial_id(trial), state=TrialState.FAIL)
    if RETRY_HISTORY in trial.system_attrs or FIXED_PARAMS in trial.system_attrs:
        _enqueue(study, trial, {})


def _enqueue(study: Study, trial: FrozenTrial, attributes: dict[str, Any]) -> None:
    kept = {key: value for key, value in trial.system_attrs.items() if key != HEARTBEAT and not key.startswith(CONSTRAINTS)}
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            system_attrs=kept | attributes,
        )
    )
