"""One worker of a study: takes a trial, launches it, tells what became of it, until there are enough.

Nobody directs the workers. Each looks into the storage before it takes the next trial, so that there is no batch to wait for,
and any of them may be killed at any moment: what it was at is tried again by the others, or by the next one.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import optuna
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from openr1.config import one_line
from openr1.errors import ConfigError, RunError
from sweeps.search.config import SearchConfig
from sweeps.search.heartbeat import Heartbeat
from sweeps.search.space import Space
from sweeps.search.storage import whoami
from sweeps.search.tally import SURPLUS, Tally, try_again
from sweeps.search.terminators import terminator
from sweeps.search.trial_job import Outcome

POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


class Worker:
    """
    :param start: launches one job: its overrides and its number; as a Hydra launcher has it.
    :param n_jobs: trials at once.
    :param limit: trials in all.
    :param say: told a line of each trial that ends.
    """

    def __init__(
        self,
        study: Study,
        space: Space,
        sweep: SearchConfig,
        start: Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]],
        n_jobs: int,
        limit: int,
        say: Callable[[str], None],
    ) -> None:
        self.study, self.space, self.sweep, self.start, self.n_jobs, self.limit, self.say = (
            study, space, sweep, start, n_jobs, limit, say,
        )  # fmt: skip
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
            if self.n_jobs == 1:
                self._work()
            else:
                with ThreadPoolExecutor(self.n_jobs) as threads:
                    futures = [threads.submit(self._work) for _ in range(self.n_jobs)]
                    try:
                        for future in as_completed(futures):
                            future.result()
                    except BaseException:
                        self.stopped = "interrupted"  # the other threads take no more trials
                        raise
        if problem := Tally.of(self.study).too_many_failures(self.sweep):
            raise RunError(problem)
        if self.stopped:
            self.say(f"stopped: {self.stopped}")

    def _work(self) -> None:
        while (trial := self._next()) is not None:
            try:
                outcome = self._launched(trial)
            except BaseException:
                try_again(self.study, self._frozen(trial), "interrupted", self.sweep.lost_retries + 1)
                raise
            finally:
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
        trial.set_user_attr("worker", whoami())
        self.heartbeat.begin(trial)
        if not Tally.of(self.study).fits(trial.number, self.limit):
            trial.set_user_attr(SURPLUS, True)
            self.heartbeat.end(trial)
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        for key, distribution in self.space.distributions.items():
            trial._suggest(key, distribution)
        return trial

    def _launched(self, trial: Trial) -> Outcome | None:
        """What became of a trial; None where its job was lost, and somebody tries it again."""
        overrides, halved = self.space.overrides(trial.params), 0
        while True:
            try:
                (job,) = self.start([overrides], trial.number)
            except (HydraException, OmegaConfBaseException, ConfigError) as error:
                return Outcome(failure=one_line(error))
            except Exception as error:
                # of the launcher, not of the trial: the process or the cluster's job has ended without an answer
                reason = f"its job was lost: {type(error).__name__}: {one_line(error)}"[:1000]
                if try_again(self.study, self._frozen(trial), reason, self.sweep.lost_retries):
                    self.say(f"trial {trial.number} is tried again: {reason}")
                else:
                    self.say(f"trial {trial.number} failed: {reason}")
                return None
            outcome = job._return_value
            if job.status != JobStatus.COMPLETED or not isinstance(outcome, Outcome):
                return Outcome(failure=f"{type(outcome).__name__}: {outcome}")
            batch, key = outcome.batch, self.sweep.oom_key
            if not outcome.out_of_memory or key is None or not batch or batch < 2 or halved == self.sweep.oom_halvings:
                return outcome
            halved += 1
            overrides = [*(one for one in overrides if not one.startswith(f"{key}=")), f"{key}={batch // 2}"]
            trial.set_user_attr("halved", {key: batch // 2})
            self.say(f"trial {trial.number} is out of memory, tried again with {key}={batch // 2}")

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        try:
            for name, value in (("run_id", outcome.run_id), ("metrics", outcome.metrics), ("pruned", outcome.pruned)):
                if value:
                    trial.set_user_attr(name, value)
            failure = outcome.failure or (None if outcome.pruned else self._missing(outcome))
            if failure:
                self._fail(trial, failure, outcome.traceback)
            elif outcome.pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
                self.say(f"trial {trial.number} pruned {outcome.pruned}")
            else:
                for name, most in (self.sweep.constraints or {}).items():
                    trial.set_constraint(name, float(outcome.metrics[name]) - most)
                values = [float(outcome.metrics[name]) for name in self.sweep.objectives]
                self.study.tell(trial, values)
                shown = " ".join(f"{name} {value:.6g}" for name, value in zip(self.sweep.objectives, values, strict=True))
                self.say(f"trial {trial.number} {shown}  {_shown(trial)}")
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
            self.say(f"trial {trial.number} failed: {reason}  {_shown(trial)}")

    def _frozen(self, trial: Trial) -> FrozenTrial:
        return self.study._storage.get_trial(trial._trial_id)


def _shown(trial: Trial) -> str:
    parts = (f"{key.rsplit('.', 1)[-1]}={value:.4g}" if isinstance(value, float) else f"{key.rsplit('.', 1)[-1]}={value}"
             for key, value in trial.params.items())  # fmt: skip
    return " ".join(parts)
