"""One worker of a study: it takes a trial, launches it and tells its outcome, until the study has enough trials.

No process directs the workers. Each reads the storage before it takes the next trial, so that no batch has to be waited for,
and any of them may be killed at any moment: its trials are retried by the others, or by the next worker.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import optuna
from hydra.core.utils import JobStatus
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from openr1.options import one_line
from openr1.sweeps.compat import result_of
from openr1.sweeps.limits.amount import Amount
from openr1.sweeps.optuna.compat import storage_of, stored_trial, suggest
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.heartbeat import Heartbeat
from openr1.sweeps.optuna.retries import discard_trial, queue_successors, retry_trial
from openr1.sweeps.optuna.space import Space
from openr1.sweeps.optuna.spend_limit import ESTIMATED, SPENT, SearchSpendLimit
from openr1.sweeps.optuna.terminators import create_terminator
from openr1.sweeps.optuna.trial_counts import TrialCounts
from openr1.sweeps.optuna.trial_runners import TrialRunner
from openr1.sweeps.optuna.trial_task import TrialOutcome
from openr1.system.errors import ConfigError, RunError
from openr1.system.interrupts import deferred
from openr1.system.processes import current_process

POLL_SECONDS = 1.0
INTERRUPTED = "interrupted"

log = logging.getLogger(__name__)


class Worker:
    """One worker of a study, which other workers may share.

    :param n_jobs: concurrent trials.
    :param limit: trials in total.
    :param say: prints a line about each trial that ends.
    """

    def __init__(
        self,
        study: Study,
        space: Space,
        sweep: SearchConfig,
        runner: TrialRunner,
        n_jobs: int,
        limit: int,
        say: Callable[[str], None],
        spend_limit: SearchSpendLimit | None = None,
    ) -> None:
        self.study, self.space, self.sweep, self.runner = study, space, sweep, runner
        self.n_jobs, self.limit, self.say = n_jobs, limit, say
        self.spend_limit = spend_limit or SearchSpendLimit(sweep.allowance, None)
        self.lock = threading.Lock()
        self.heartbeat = Heartbeat(study, sweep)
        self.started = time.monotonic()
        self.reason_to_terminate = create_terminator(sweep)
        self.stopped: str | None = None  # the reason to stop before the last trial

    def work(self) -> None:
        """Run trials until the study has enough, or there is a reason to stop.

        :raises RunError: where too many trials fail.
        """
        with self.heartbeat:
            try:
                self._run_trials() if self.n_jobs == 1 else self._run_trials_in_threads()
            except BaseException:
                self.stopped = INTERRUPTED  # the other threads take no more trials
                self.runner.cancel()  # first, since a run whose trial has ended fails
                with suppress(RunError):  # without a storage, the next worker finds the trials lost
                    self._return_trials()
                raise
        if failures := TrialCounts.of(self.study).excessive_failures(self.sweep):
            raise RunError(failures)
        if self.stopped:
            self.say(f"stopped: {self.stopped}")

    def _return_trials(self) -> None:
        """Put the trials of this worker back into the queue."""
        for own_id in list(self.heartbeat.own_trials.values()):
            trial = storage_of(self.study).get_trial(own_id)
            retry_trial(self.study, trial, INTERRUPTED, self.sweep.lost_retries + 1)

    def _run_trials_in_threads(self) -> None:
        """Run trials in daemon threads: a launcher cannot be interrupted in one, and the process must end nevertheless."""
        ended: queue.Queue[BaseException | None] = queue.Queue()

        def run_trials() -> None:
            try:
                self._run_trials()
                ended.put(None)
            except BaseException as error:
                ended.put(error)

        for _ in range(self.n_jobs):
            threading.Thread(target=run_trials, daemon=True).start()
        for _ in range(self.n_jobs):
            if error := ended.get():
                raise error

    def _run_trials(self) -> None:
        while (trial := self._next_trial()) is not None:
            outcome = self._launch(trial)
            if outcome is not None:
                with deferred():
                    self._tell(trial, outcome)
            self.heartbeat.remove(trial)

    def _next_trial(self) -> Trial | None:
        """Return a trial to run, if there is one to come. Wait for trials of other workers only while these may be dead."""
        idle = time.monotonic()
        while True:
            with self.lock:
                queue_successors(self.study)
                for lost, reason in self.heartbeat.lost_trials(TrialCounts.of(self.study).running):
                    if retry_trial(self.study, lost, reason, self.sweep.lost_retries):
                        self.say(f"trial {lost.number} is retried: {reason}")
                counts = TrialCounts.of(self.study)
                self.stopped = self.stopped or self._reason_to_stop(counts)
                if self.stopped:
                    return None
                if len(counts.ended) + len(counts.running) < self.limit:
                    if (trial := self._begin_trial()) is not None:
                        return trial
                    continue
                uncertain = [running for running in counts.running if not self.heartbeat.is_alive(running)]
            if not uncertain or time.monotonic() - idle > self.sweep.grace_seconds + POLL_SECONDS:
                return None
            time.sleep(min(POLL_SECONDS, self.sweep.heartbeat_seconds))

    def _reason_to_stop(self, counts: TrialCounts) -> str | None:
        if counts.excessive_failures(self.sweep):
            return "too many failures"
        minutes = self.sweep.timeout_minutes
        if minutes is not None and time.monotonic() - self.started > 60 * minutes:
            return f"sweep.timeout_minutes={minutes:g} have passed"
        return self.reason_to_terminate(self.study)

    def _begin_trial(self) -> Trial | None:
        """Begin the next trial; return None where another worker took the last one in the meantime."""
        trial = self.study.ask()
        self.heartbeat.add(trial)
        try:
            if self._sample_params(trial):
                return trial
            discard_trial(self.study, stored_trial(self.study, trial))
        except optuna.exceptions.UpdateFinishedTrialError:
            pass  # this process stood still for so long that another worker has retried the trial
        self.heartbeat.remove(trial)
        return None

    def _sample_params(self, trial: Trial) -> bool:
        """Sample the parameters of a trial; return False where it must not begin."""
        trial.set_user_attr("worker", current_process())
        if not TrialCounts.of(self.study).fits(trial.number, self.limit):
            return False
        for key, distribution in self.space.distributions.items():
            suggest(trial, key, distribution)
        if (flops := self.spend_limit.estimated_flops(self.space.overrides(trial.params))) is not None:
            trial.set_user_attr(ESTIMATED, flops)
        self.stopped = self.stopped or self.spend_limit.reason_to_stop(self.study, trial.number)
        return not self.stopped

    def _launch(self, trial: Trial) -> TrialOutcome | None:
        """Launch a trial and return its outcome; None where its job was lost."""
        overrides, halvings, spent = self.space.overrides(trial.params), 0, Amount()
        halved: dict[str, int] = {}
        while True:
            try:
                (job,) = self.runner.start([overrides], trial.number)
            except (HydraException, OmegaConfBaseException, ConfigError) as error:
                return TrialOutcome(failure=one_line(error))
            except Exception as error:
                if self.stopped == INTERRUPTED:
                    raise
                # an error of the launcher, not of the trial: the process or the cluster's job has ended without a result
                reason = f"its job was lost: {type(error).__name__}: {one_line(error)}"[:1000]
                self._retry_or_fail(trial, reason, self.sweep.lost_retries)
                return None
            outcome = result_of(job)
            if job.status != JobStatus.COMPLETED or not isinstance(outcome, TrialOutcome):
                return TrialOutcome(failure=f"{type(outcome).__name__}: {outcome}")
            outcome.spent = spent = spent + outcome.spent
            batch, key = outcome.batch, self.sweep.oom_key
            if not outcome.out_of_memory or key is None or not batch or batch < 2 or halvings == self.sweep.oom_halvings:
                outcome.halved = halved
                return outcome
            halvings += 1
            halved = {key: batch // 2}
            overrides = [*(override for override in overrides if not override.startswith(f"{key}=")), f"{key}={batch // 2}"]
            self.say(f"trial {trial.number} ran out of memory and is retried with {key}={batch // 2}")

    def _tell(self, trial: Trial, outcome: TrialOutcome) -> None:
        """Store the outcome of a trial."""
        constraints = self.sweep.constraints or {}
        try:
            trial.set_user_attr(SPENT, asdict(outcome.spent))
            for name in ("run_id", "metrics", "pruned", "halved"):
                if value := getattr(outcome, name):
                    trial.set_user_attr(name, value)
            failure = outcome.failure or (None if outcome.pruned else self._missing_metric(outcome))
            if failure:
                if outcome.traceback:
                    trial.set_user_attr("traceback", outcome.traceback[-10_000:])
                self._retry_or_fail(trial, failure, self.sweep.retries)
            elif outcome.pruned:
                for name in constraints.keys() & outcome.estimated.keys():
                    trial.set_constraint(name, outcome.estimated[name] - constraints[name])
                self.study.tell(trial, state=TrialState.PRUNED)
                self.say(f"trial {trial.number} pruned {outcome.pruned}")
            else:
                for name, bound in constraints.items():
                    trial.set_constraint(name, float(outcome.metrics[name]) - bound)
                values = [float(outcome.metrics[name]) for name in self.sweep.objectives]
                self.study.tell(trial, values)
                shown = " ".join(f"{name} {value:.6g}" for name, value in zip(self.sweep.objectives, values, strict=True))
                self.say(f"trial {trial.number} {shown}  {describe_params(stored_trial(self.study, trial))}")
        except optuna.exceptions.UpdateFinishedTrialError:
            self.say(f"trial {trial.number} counted as lost, and another worker retries it")

    def _missing_metric(self, outcome: TrialOutcome) -> str | None:
        for name in (*self.sweep.objectives, *(self.sweep.constraints or {})):
            value = outcome.metrics.get(name)
            if value is None:
                return f"the trial has no metric {name}; it has {', '.join(outcome.metrics) or 'none'}"
            if not math.isfinite(value):
                return f"{name} is {value}"
        return None

    def _retry_or_fail(self, trial: Trial, reason: str, retries: int) -> None:
        stored = stored_trial(self.study, trial)
        if retry_trial(self.study, stored, reason, retries):
            self.say(f"trial {trial.number} is retried: {reason}")
        else:
            self.say(f"trial {trial.number} failed: {reason}  {describe_params(stored)}")


def describe_params(trial: FrozenTrial) -> str:
    """Return the parameters of a trial in one line, each under the last part of its key."""

    def describe(value: object) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    return " ".join(f"{key.rsplit('.', 1)[-1]}={describe(value)}" for key, value in trial.params.items())
