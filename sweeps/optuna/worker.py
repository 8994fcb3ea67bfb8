"""One worker of a study: takes a trial, launches it, tells what became of it, until there are enough.

Nobody directs the workers. Each looks into the storage before it takes the next trial, so that there is no batch to wait for,
and any of them may be killed at any moment: what it was at is tried again by the others, or by the next one.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Protocol

import optuna
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from openr1.errors import ConfigError, RunError
from openr1.options import one_line
from sweeps.limits.amount import Amount
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.heartbeat import Heartbeat
from sweeps.optuna.process import whoami
from sweeps.optuna.space import Space
from sweeps.optuna.spend_limit import FORESEEN, SPENT, SearchSpendLimit
from sweeps.optuna.tally import Tally, give_back, try_again
from sweeps.optuna.terminators import terminator
from sweeps.optuna.trial_job import Outcome

POLL_SECONDS = 1.0
INTERRUPTED = "interrupted"

log = logging.getLogger(__name__)


class Jobs(Protocol):
    """What runs trials."""

    def start(self, overrides: Sequence[Sequence[str]], number: int) -> Sequence[JobReturn]:
        """Launch jobs and wait for them, as a Hydra launcher does; from several threads where there are several at once."""

    def cancel(self) -> None:
        """End those that run."""


class Worker:
    """
    :param n_jobs: trials at once.
    :param limit: trials in all.
    :param say: told a line of each trial that ends.
    """

    def __init__(
        self,
        study: Study,
        space: Space,
        sweep: SearchConfig,
        jobs: Jobs,
        n_jobs: int,
        limit: int,
        say: Callable[[str], None],
        spend_limit: SearchSpendLimit | None = None,
    ) -> None:
        self.study, self.space, self.sweep, self.jobs = study, space, sweep, jobs
        self.n_jobs, self.limit, self.say = n_jobs, limit, say
        self.spend_limit = spend_limit or SearchSpendLimit(sweep.allowance, None)
        self.lock = threading.Lock()
        self.heartbeat = Heartbeat(study, sweep)
        self.begun = time.monotonic()
        self.enough = terminator(sweep)
        self.stopped: str | None = None  # why before the last trial

    def run(self) -> None:
        """
        :raises RunError: where too many trials fail.
        """
        with self.heartbeat:
            try:
                self._work() if self.n_jobs == 1 else self._work_in_threads()
            except BaseException:
                self.stopped = INTERRUPTED  # the other threads take no more trials
                for trial_id in list(self.heartbeat.mine.values()):
                    try_again(self.study, self.study._storage.get_trial(trial_id), INTERRUPTED, self.sweep.lost_retries + 1)
                self.jobs.cancel()
                raise
        if problem := Tally.of(self.study).too_many_failures(self.sweep):
            raise RunError(problem)
        if self.stopped:
            self.say(f"stopped: {self.stopped}")

    def _work_in_threads(self) -> None:
        """Threads that nobody waits for at the end of the process, since a launcher in one of them cannot be interrupted."""
        ended: queue.Queue[BaseException | None] = queue.Queue()

        def estimate() -> None:
            try:
                self._work()
                ended.put(None)
            except BaseException as error:
                ended.put(error)

        for _ in range(self.n_jobs):
            threading.Thread(target=estimate, daemon=True).start()
        for _ in range(self.n_jobs):
            if error := ended.get():
                raise error

    def _work(self) -> None:
        while (trial := self._next()) is not None:
            outcome = self._launched(trial)
            self.heartbeat.end(trial)
            if outcome is not None:
                self._tell(trial, outcome)

    def _next(self) -> Trial | None:
        """A trial to run. Waits for those of other workers only while these may be dead."""
        idle = time.monotonic()
        while True:
            with self.lock:
                for lost, reason in self.heartbeat.lost(Tally.of(self.study).running):
                    if try_again(self.study, lost, reason, self.sweep.lost_retries):
                        self.say(f"trial {lost.number} is tried again: {reason}")
                tally = Tally.of(self.study)
                self.stopped = self.stopped or self._reason_to_stop(tally)
                if self.stopped:
                    return None
                if len(tally.ended) + len(tally.running) < self.limit:
                    if (trial := self._asked()) is not None:
                        return trial
                    continue
                unknown = [trial for trial in tally.running if not self.heartbeat.alive(trial)]
            if not unknown or time.monotonic() - idle > self.sweep.grace_seconds + POLL_SECONDS:
                return None
            time.sleep(min(POLL_SECONDS, self.sweep.heartbeat_seconds))

    def _reason_to_stop(self, tally: Tally) -> str | None:
        if tally.too_many_failures(self.sweep):
            return "too many failures"
        minutes = self.sweep.timeout_minutes
        if minutes is not None and time.monotonic() - self.begun > 60 * minutes:
            return f"sweep.timeout_minutes={minutes:g} are over"
        return self.enough(self.study)

    def _asked(self) -> Trial | None:
        """The next trial; None where another worker took the last one in the meantime."""
        trial = self.study.ask()
        self.heartbeat.begin(trial)
        try:
            if self._drawn(trial):
                return trial
            give_back(self.study, self._frozen(trial))
        except optuna.exceptions.UpdateFinishedTrialError:
            pass  # this process stood still for so long that another worker has it
        self.heartbeat.end(trial)
        return None

    def _drawn(self, trial: Trial) -> bool:
        """Draw its params; False where it must not begin."""
        trial.set_user_attr("worker", whoami())
        if not Tally.of(self.study).fits(trial.number, self.limit):
            return False
        for key, distribution in self.space.distributions.items():
            trial._suggest(key, distribution)
        if (flops := self.spend_limit.foreseen_flops(self.space.overrides(trial.params))) is not None:
            trial.set_user_attr(FORESEEN, flops)
        self.stopped = self.stopped or self.spend_limit.reason_to_stop(self.study, trial.number)
        return not self.stopped

    def _launched(self, trial: Trial) -> Outcome | None:
        """What became of a trial; None where its job was lost, and somebody tries it again."""
        overrides, halved, smaller, spent = self.space.overrides(trial.params), 0, {}, Amount()
        while True:
            try:
                (job,) = self.jobs.start([overrides], trial.number)
            except (HydraException, OmegaConfBaseException, ConfigError) as error:
                return Outcome(failure=one_line(error))
            except Exception as error:
                if self.stopped == INTERRUPTED:
                    return None
                # of the launcher, not of the trial: the process or the cluster's job has ended without an answer
                reason = f"its job was lost: {type(error).__name__}: {one_line(error)}"[:1000]
                if try_again(self.study, self._frozen(trial), reason, self.sweep.lost_retries):
                    self.say(f"trial {trial.number} is tried again: {reason}")
                else:
                    self.say(f"trial {trial.number} failed: {reason}")
                return None
            if self.stopped == INTERRUPTED:
                return None  # it is in the queue again
            outcome = job._return_value
            if job.status != JobStatus.COMPLETED or not isinstance(outcome, Outcome):
                return Outcome(failure=f"{type(outcome).__name__}: {outcome}")
            outcome.spent = spent = spent + outcome.spent
            batch, key = outcome.batch, self.sweep.oom_key
            if not outcome.out_of_memory or key is None or not batch or batch < 2 or halved == self.sweep.oom_halvings:
                outcome.halved = smaller
                return outcome
            halved += 1
            smaller = {key: batch // 2}
            overrides = [*(one for one in overrides if not one.startswith(f"{key}=")), f"{key}={batch // 2}"]
            self.say(f"trial {trial.number} is out of memory, tried again with {key}={batch // 2}")

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        try:
            trial.set_user_attr(SPENT, asdict(outcome.spent))
            for name in ("run_id", "metrics", "pruned", "halved"):
                if value := getattr(outcome, name):
                    trial.set_user_attr(name, value)
            failure = outcome.failure or (None if outcome.pruned else self._missing(outcome))
            if failure:
                self._fail(trial, failure, outcome.traceback)
            elif outcome.pruned:
                for name in (self.sweep.constraints or {}).keys() & outcome.foreseen.keys():
                    trial.set_constraint(name, outcome.foreseen[name] - self.sweep.constraints[name])
                self.study.tell(trial, state=TrialState.PRUNED)
                self.say(f"trial {trial.number} pruned {outcome.pruned}")
            else:
                for name, most in (self.sweep.constraints or {}).items():
                    trial.set_constraint(name, float(outcome.metrics[name]) - most)
                values = [float(outcome.metrics[name]) for name in self.sweep.objectives]
                self.study.tell(trial, values)
                shown = " ".join(f"{name} {value:.6g}" for name, value in zip(self.sweep.objectives, values, strict=True))
                self.say(f"trial {trial.number} {shown}  {_shown(self._frozen(trial))}")
        except optuna.exceptions.UpdateFinishedTrialError:
            self.say(f"trial {trial.number} counted as lost, and another worker has it")

    def _missing(self, outcome: Outcome) -> str | None:
        for name in (*self.sweep.objectives, *(self.sweep.constraints or {})):
            value = outcome.metrics.get(name)
            if value is None:
                return f"the trial has no {name}; it has {', '.join(outcome.metrics) or 'nothing'}"
            if not math.isfinite(value):
                return f"{name} is {value}"
        return None

    def _fail(self, trial: Trial, reason: str, trace: str | None) -> None:
        if trace:
            trial.set_user_attr("traceback", trace[-10_000:])
        if try_again(self.study, self._frozen(trial), reason, self.sweep.retries):
            self.say(f"trial {trial.number} is tried again: {reason}")
        else:
            self.say(f"trial {trial.number} failed: {reason}  {_shown(self._frozen(trial))}")

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self.study._storage.get_trial(trial._trial_id)


def _shown(trial: FrozenTrial) -> str:
    parts = (f"{key.rsplit('.', 1)[-1]}={value:.4g}" if isinstance(value, float) else f"{key.rsplit('.', 1)[-1]}={value}"
             for key, value in trial.params.items())  # fmt: skip
    return " ".join(parts)
