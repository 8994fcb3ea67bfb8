"""The trials of a study that count toward ``sweep.n_trials``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from openr1.sweeps.optuna.compat import RETRY_HISTORY
from openr1.sweeps.optuna.config import SearchConfig

SURPLUS = "surplus"  # user attribute of a trial that began when there were enough
SUCCESSOR = "successor"  # user attribute of a failed trial: the system attributes of the one that takes its place
PREDECESSOR = "predecessor"  # system attribute of that one: the number of the failed trial
UNKNOWN_REASON = "no reason was recorded"


def failure_reason(trial: FrozenTrial) -> str:
    """Return why a failed trial failed."""
    return trial.user_attrs.get("failure", UNKNOWN_REASON)


def predecessors(trials: Sequence[FrozenTrial]) -> dict[int, int]:
    """Return the number of the first successor of each trial that has one, by the trial's own number."""
    numbers = [(trial.system_attrs.get(PREDECESSOR), trial.number) for trial in trials]
    return {before: number for before, number in reversed(numbers) if before is not None}


def is_second_successor(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Return True for a trial whose predecessor has an earlier successor already."""
    before = trial.system_attrs.get(PREDECESSOR)
    return before is not None and predecessors(trials).get(before, trial.number) != trial.number


@dataclass(frozen=True)
class TrialCounts:
    """The trials that count: all but those that have a successor, second successors, and those that were surplus."""

    trials: Sequence[FrozenTrial]

    @classmethod
    def of(cls, study: Study) -> TrialCounts:
        trials = study.get_trials(deepcopy=False)
        retried = {number for trial in trials for number in trial.system_attrs.get(RETRY_HISTORY, [])}
        firsts = predecessors(trials)

        def counts(trial: FrozenTrial) -> bool:
            surplus = SURPLUS in trial.user_attrs and trial.state.is_finished()  # its worker may have been killed before
            before = trial.system_attrs.get(PREDECESSOR)
            return not surplus and trial.number not in retried and firsts.get(before, trial.number) == trial.number

        return cls([trial for trial in trials if counts(trial)])

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
        """Those whose successor is about to be queued have not failed for good."""
        return [trial for trial in self._in_state(TrialState.FAIL) if trial.user_attrs.get(SUCCESSOR) is None]

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
