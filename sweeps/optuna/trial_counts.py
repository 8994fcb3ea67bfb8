"""The trials of a study that count toward ``sweep.n_trials``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from sweeps.optuna.compat import RETRY_HISTORY
from sweeps.optuna.config import SearchConfig

SURPLUS = "surplus"  # user attribute of a trial that began when there were enough
UNKNOWN_REASON = "no reason was recorded"


def failure_reason(trial: FrozenTrial) -> str:
    """Return why a failed trial failed."""
    return trial.user_attrs.get("failure", UNKNOWN_REASON)


@dataclass(frozen=True)
class TrialCounts:
    """The trials that count: all but those that were retried since, and those that were surplus."""

    trials: Sequence[FrozenTrial]

    @classmethod
    def of(cls, study: Study) -> TrialCounts:
        trials = study.get_trials(deepcopy=False)
        retried = {number for trial in trials for number in trial.system_attrs.get(RETRY_HISTORY, [])}
        return cls([trial for trial in trials if trial.number not in retried and SURPLUS not in trial.user_attrs])

    @property
    def ended(self) -> list[FrozenTrial]:
        return [trial for trial in self.trials if trial.state.is_finished()]

    @property
    def running(self) -> list[FrozenTrial]:
        return self._in_state(TrialState.RUNNING)

    @property
    def completed(self) -> list[FrozenTrial]:
        return self._in_state(TrialState.COMPLETE)

    @property
    def failed(self) -> list[FrozenTrial]:
        return self._in_state(TrialState.FAIL)

    def _in_state(self, state: TrialState) -> list[FrozenTrial]:
        return [trial for trial in self.trials if trial.state == state]

    def by_state(self) -> dict[str, int]:
        """Return the numbers of trials by state, under Optuna's names, without those that wait in the queue."""
        return dict(Counter(trial.state.name.lower() for trial in self.trials if trial.state != TrialState.WAITING))

    def fits(self, number: int, n_trials: int) -> bool:
        """Return True for one of the first ``n_trials`` trials, so that workers that begin one at once agree on the surplus."""
        taken = sorted(trial.number for trial in (*self.ended, *self.running))
        return number in taken[:n_trials]

    def excessive_failures(self, sweep: SearchConfig) -> str | None:
        """Return a message where the failure rate is above its limit."""
        failed, ended = self.failed, self.ended
        if len(ended) < sweep.failure_min_trials or len(failed) <= sweep.max_failure_rate * len(ended):
            return None
        limit = f"sweep.max_failure_rate={sweep.max_failure_rate:g}"
        return f"{len(failed)} of {len(ended)} trials failed, more than {limit}; the last: {failure_reason(failed[-1])}"
