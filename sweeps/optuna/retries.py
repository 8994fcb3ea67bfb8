"""Trials that return to the queue of a study.

A worker may be killed between any two writes. A trial that is to return therefore says so before it ends as failed, and
whoever comes next queues its successor if it has none (:func:`queue_successors`). Two workers that do so at once make two, of
which the first counts (:class:`openr1.sweeps.optuna.trial_counts.TrialCounts`).
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from openr1.sweeps.optuna.compat import CONSTRAINTS, FIRST_FAILED, FIXED_PARAMS, RETRY_HISTORY, storage_of, trial_id
from openr1.sweeps.optuna.heartbeat import ATTRIBUTE as HEARTBEAT
from openr1.sweeps.optuna.trial_counts import PREDECESSOR, SUCCESSOR, SURPLUS, is_second_successor, predecessors


def retry_trial(study: Study, trial: FrozenTrial, reason: str, retries: int) -> bool:
    """Record a trial as failed and put its parameters back into the queue, at most ``retries`` times.

    :returns: True where it is in the queue again; False also where another worker has ended it.
    """
    history = [*trial.system_attrs.get(RETRY_HISTORY, []), trial.number]
    successor = {FIRST_FAILED: history[0], RETRY_HISTORY: history} if len(history) <= retries else None
    return _fail(study, trial, {"failure": reason}, successor) and successor is not None


def discard_trial(study: Study, trial: FrozenTrial) -> None:
    """End a trial that must not begin, so that it does not count; one that came from the queue returns to it."""
    queued = RETRY_HISTORY in trial.system_attrs or FIXED_PARAMS in trial.system_attrs
    returns = queued and not is_second_successor(trial, study.get_trials(deepcopy=False))
    _fail(study, trial, {SURPLUS: True}, {} if returns else None)


def queue_successors(study: Study) -> None:
    """Queue the successors of failed trials whose workers were killed before they did so."""
    trials = study.get_trials(deepcopy=False)
    followed = predecessors(trials)
    for trial in trials:
        successor = trial.user_attrs.get(SUCCESSOR)
        if trial.state == TrialState.FAIL and successor is not None and trial.number not in followed:
            _enqueue(study, trial, successor)


def _fail(study: Study, trial: FrozenTrial, attributes: dict[str, Any], successor: dict[str, Any] | None) -> bool:
    """End a trial as failed; return False where another worker has ended it.

    :param successor: system attributes of the trial that takes its place; None for no such trial.
    """
    storage, own_id = storage_of(study), trial_id(trial)
    try:
        for name, value in {**attributes, SUCCESSOR: successor}.items():
            storage.set_trial_user_attr(own_id, name, value)
        if not storage.set_trial_state_values(own_id, state=TrialState.FAIL):
            return False
    except optuna.exceptions.UpdateFinishedTrialError:
        return False
    if successor is not None:
        _enqueue(study, trial, successor)
    return True


def _enqueue(study: Study, trial: FrozenTrial, attributes: dict[str, Any]) -> None:
    kept = {key: value for key, value in trial.system_attrs.items() if key != HEARTBEAT and not key.startswith(CONSTRAINTS)}
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            system_attrs=kept | attributes | {PREDECESSOR: trial.number},
        )
    )
