"""Trials in a pool of processes, as joblib's launcher has them, for a sweeper that starts each when another one ends.

``joblib.Parallel`` makes one batch at a time: called from several threads it is not safe. The pool below it is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from joblib.externals.loky import get_reusable_executor

from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from openr1.errors import RunError
from sweeps.compat import joblib_task

IDLE_SECONDS = 300  # after which a process of the pool ends


@contextmanager
def side_by_side() -> Iterator[None]:
    """Trials of joblib's launcher, each with its own number of threads.

    :raises RunError: where one of their processes was killed.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # those of a numerical library would multiply
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        yield
    except TerminatedWorkerError as error:
        message = "the process of a trial was killed, perhaps for want of memory; the same command goes on from what is done"
        raise RunError(message) from error


class ProcessPool:
    """
    :param launcher: whose jobs they are.
    :param size: processes; each keeps what it has imported for the next trial.
    """

    def __init__(self, launcher: JoblibLauncher, size: int) -> None:
        self.launcher, self.size = launcher, size
        self.lock = threading.Lock()
        setup_globals()
        self.state = Singleton.get_state()

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """As :meth:`hydra.plugins.launcher.Launcher.launch`, from any thread."""
        launcher, execute_job = self.launcher, joblib_task()
        job = (launcher.hydra_context, launcher.config, launcher.task_function, self.state)
        with self.lock:
            # a pool that a killed process has broken is replaced by a new one
            pool = self._pool()
            futures = [pool.submit(execute_job, initial_job_idx + i, one, *job) for i, one in enumerate(job_overrides)]
        return [future.result() for future in futures]

    def cancel(self) -> None:
        self._pool().shutdown(kill_workers=True)

    def _pool(self) -> ProcessPoolExecutor:
        return get_reusable_executor(max_workers=self.size, timeout=IDLE_SECONDS)
