"""Signs of life of running trials, in any storage: Optuna's own are in a database only, and only within ``study.optimize``."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator

import optuna
from optuna import Study, Trial
from optuna.trial import FrozenTrial

from sweeps.optuna.config import SearchConfig
from sweeps.optuna.process import is_gone, on_this_machine

ATTRIBUTE = "heartbeat"

log = logging.getLogger(__name__)


class Heartbeat:
    """Beats for the trials of this worker while its block lasts, and knows those of others that have stopped.

    A trial is lost when its process on this machine has ended, or when its heartbeat has not changed for
    ``grace_seconds`` of this worker's own clock: the clocks of two machines are never compared.
    """

    def __init__(self, study: Study, sweep: SearchConfig) -> None:
        self.study, self.sweep = study, sweep
        self.mine: dict[int, int] = {}  # trial number -> its id in the storage
        self.seen: dict[int, tuple[object, float]] = {}  # trial number -> its last heartbeat, and when that was first seen
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heartbeat:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()

    def begin(self, trial: Trial) -> None:
        self.mine[trial.number] = trial._trial_id

    def end(self, trial: Trial) -> None:
        self.mine.pop(trial.number, None)

    def alive(self, trial: FrozenTrial) -> bool:
        """Whether its worker is this one, or another one of this machine that has not ended."""
        worker = trial.user_attrs.get("worker")
        return trial.number in self.mine or (worker is not None and on_this_machine(worker) and not is_gone(worker))

    def lost(self, running: Iterable[FrozenTrial]) -> Iterator[tuple[FrozenTrial, str]]:
        """Those whose worker is no more, and how that is known."""
        for trial in running:
            if self.alive(trial):
                continue
            worker, now = trial.user_attrs.get("worker"), time.monotonic()
            if worker is not None and is_gone(worker):
                yield trial, f"its worker, process {worker['pid']} on {worker['host']}, was killed"
                continue
            beat = trial.system_attrs.get(ATTRIBUTE)
            before, since = self.seen.setdefault(trial.number, (beat, now))
            if before != beat:
                self.seen[trial.number] = (beat, now)
            elif now - since > self.sweep.grace_seconds:
                yield trial, f"no heartbeat for {self.sweep.grace_seconds:g} s"

    def _beat(self) -> None:
        while not self.stop.wait(self.sweep.heartbeat_seconds):
            for trial_id in list(self.mine.values()):
                try:
                    self.study._storage.set_trial_system_attr(trial_id, ATTRIBUTE, time.time())
                except optuna.exceptions.UpdateFinishedTrialError:
                    continue  # it has just ended
                except Exception as error:
                    # a database that does not answer for a while costs heartbeats, not the trial
                    log.warning("no heartbeat: %s", str(error).splitlines()[0])
