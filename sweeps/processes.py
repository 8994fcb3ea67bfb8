"""Trials in a pool of processes, as joblib's launcher has them, for a sweeper that starts each when another one ends.

``joblib.Parallel`` makes one batch at a time: called from several threads it is not safe. The pool below it is.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from joblib.externals.loky import get_reusable_executor

from hydra_plugins.hydra_joblib_launcher._core import execute_job
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher

IDLE_SECONDS = 300  # after which a process of the pool ends


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
        launcher = self.launcher
        job = (launcher.hydra_context, launcher.config, launcher.task_function, self.state)
        with self.lock:
            # a pool that a killed process has broken is replaced by a new one
            pool = get_reusable_executor(max_workers=self.size, timeout=IDLE_SECONDS)
            futures = [pool.submit(execute_job, initial_job_idx + i, one, *job) for i, one in enumerate(job_overrides)]
        return [future.result() for future in futures]
