"""What a study has so far, and whether it is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from sweeps.optuna.config import SearchConfig

RETRIES = "retry_history"  # attribute of a trial that Optuna's own retries have: the numbers of those before it
SURPLUS = "surplus"  # attribute of a trial that began when there were enough


@dataclass(frozen=True)
class Tally:
    """The trials that count: not those that were tried again since."""

    trials: Sequence[FrozenTrial]

    @classmethod
    def of(cls, study: Study) -> Tally:
        trials = study.get_trials(deepcopy=False)
        again = {number for trial in trials for number in trial.system_attrs.get(RETRIES, [])}
        return cls([trial for trial in trials if trial.number not in again and SURPLUS not in trial.user_attrs])

    @property
    def ended(self) -> list[FrozenTrial]:
        return [trial for trial in self.trials if trial.state.is_finished()]

    @property
    def running(self) -> list[FrozenTrial]:
        return [trial for trial in self.trials if trial.state == TrialState.RUNNING]

    @property
    def failed(self) -> list[FrozenTrial]:
        return [trial for trial in self.trials if trial.state == TrialState.FAIL]

    def fits(self, number: int, n_trials: int) -> bool:
        """Whether a trial is among the first so many; workers that begin one at the same moment agree on who was too late."""
        taken = sorted(trial.number for trial in (*self.ended, *self.running))
        return number in taken[:n_trials]

    def too_many_failures(self, sweep: SearchConfig) -> str | None:
        """In words; None where there are not."""
        failed, ended = self.failed, self.ended
        if len(ended) < sweep.failure_min_trials or len(failed) <= sweep.max_failure_rate * len(ended):
            return None
        last = failed[-1].user_attrs.get("failure", "no reason is known")
        most = f"sweep.max_failure_rate={sweep.max_failure_rate:g}"
        return f"{len(failed)} of {len(ended)} trials failed, more than {most}; the last: {last}"


def give_back(study: Study, trial: FrozenTrial) -> None:
    """End a trial that must not begin, so that it does not count; what came of the queue returns to it."""
    study._storage.set_trial_user_attr(trial._trial_id, SURPLUS, True)
    study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    if RETRIES in trial.system_attrs or "fixed_params" in trial.system_attrs:
        _queue(study, trial, {})


def _queue(study: Study, trial: FrozenTrial, attributes: dict[str, Any]) -> None:
    kept = {key: value for key, value in trial.system_attrs.items() if key != "heartbeat" and not key.startswith("constraints")}
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            system_attrs=kept | attributes,
        )
    )


def try_again(study: Study, trial: FrozenTrial, reason: str, retries: int) -> bool:
    """Record a trial as failed, and put what it was to do back in the queue, at most so many times.

    :returns: whether it will be tried again. False also where someone else has ended it.
    """
    storage = study._storage
    try:
        storage.set_trial_user_attr(trial._trial_id, "failure", reason)
        if not storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL):
            return False
    except optuna.exceptions.UpdateFinishedTrialError:
        return False
    history = [*trial.system_attrs.get(RETRIES, []), trial.number]
    if len(history) > retries:
        return False
    _queue(study, trial, {"failed_trial": history[0], RETRIES: history})  # the names that Optuna's own retries have
    return True
