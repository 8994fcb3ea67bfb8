"""Heartbeats of running trials in any storage. Optuna's own exist in a database only, and only within ``study.optimize``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator

import optuna
from optuna import Study, Trial
from optuna.trial import FrozenTrial

from openr1.sweeps.optuna.compat import storage_of, trial_id
from openr1.sweeps.optuna.config import SearchConfig
from openr1.system.processes import has_ended, is_on_this_machine

ATTRIBUTE = "heartbeat"  # system attribute of a trial: the time of its last heartbeat

log = logging.getLogger(__name__)


class Heartbeat:
    """A thread that writes heartbeats for the trials of this worker, and finds trials whose heartbeats have stopped.

    A trial is lost when its process on this machine has ended, or when its heartbeat has not changed for
    ``grace_seconds`` of this worker's own clock: the clocks of two machines are never compared.
    """

    def __init__(self, study: Study, sweep: SearchConfig) -> None:
        self.study, self.sweep = study, sweep
        self.own_trials: dict[int, int] = {}  # trial number -> its id in the storage
        self.last_beats: dict[int, tuple[object, float]] = {}  # trial number -> last heartbeat, and when it was first seen
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heartbeat:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def add(self, trial: Trial) -> None:
        self.own_trials[trial.number] = trial_id(trial)

    def remove(self, trial: Trial) -> None:
        self.own_trials.pop(trial.number, None)

    def is_alive(self, trial: FrozenTrial) -> bool:
        """Return True where the trial's worker is this one, or another one of this machine that has not ended."""
        worker = trial.user_attrs.get("worker")
        return trial.number in self.own_trials or (worker is not None and is_on_this_machine(worker) and not has_ended(worker))

    def lost_trials(self, running: Iterable[FrozenTrial]) -> Iterator[tuple[FrozenTrial, str]]:
        """Yield the trials whose worker is gone, each with the evidence."""
        for trial in running:
            if self.is_alive(trial):
                continue
            worker, now = trial.user_attrs.get("worker"), time.monotonic()
            if worker is not None and has_ended(worker):
                yield trial, f"its worker, process {worker['pid']} on {worker['host']}, was killed"
                continue
            beat = trial.system_attrs.get(ATTRIBUTE)
            last_beat, since = self.last_beats.setdefault(trial.number, (beat, now))
            if last_beat != beat:
                self.last_beats[trial.number] = (beat, now)
            elif now - since > self.sweep.grace_seconds:
                yield trial, f"no heartbeat for {self.sweep.grace_seconds:g} s"

    def _beat(self) -> None:
        while not self.stop.wait(self.sweep.heartbeat_seconds):
            for own_id in list(self.own_trials.values()):
                try:
                    storage_of(self.study).set_trial_system_attr(own_id, ATTRIBUTE, time.time())
                except optuna.exceptions.UpdateFinishedTrialError:
                    continue  # it has just ended
                except Exception as error:
                    # a database that does not answer for a while costs heartbeats, not the trial
                    log.warning("no heartbeat was written: %s", str(error).splitlines()[0])
