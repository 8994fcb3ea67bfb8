"""A pool of joblib's processes for a sweeper that starts a run whenever another one ends.

``joblib.Parallel`` runs one batch at a time and is not safe to call from several threads. The loky pool below it is.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from joblib.externals.loky import get_reusable_executor

from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from sweeps.compat import joblib_task

IDLE_SECONDS = 300  # after which an idle process of the pool ends


class ProcessPool:
    """Processes that run the jobs of a launcher; each keeps what it has imported for its next job.

    :param size: number of processes.
    """

    def __init__(self, launcher: JoblibLauncher, size: int) -> None:
        self.launcher, self.size = launcher, size
        self.lock = threading.Lock()
        setup_globals()
        self.state = Singleton.get_state()

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Launch jobs and wait for them, as :meth:`hydra.plugins.launcher.Launcher.launch`, from any thread."""
        launcher, execute_job = self.launcher, joblib_task()
        context = (launcher.hydra_context, launcher.config, launcher.task_function, self.state)
        with self.lock:
            # loky replaces a pool whose process was killed by a new one
            pool = self._pool()
            futures = [
                pool.submit(execute_job, initial_job_idx + i, overrides, *context) for i, overrides in enumerate(job_overrides)
            ]
        return [future.result() for future in futures]

    def cancel(self) -> None:
        """Kill the processes."""
        self._pool().shutdown(kill_workers=True)  # type: ignore[call-arg]  # an option of loky

    def _pool(self) -> ProcessPoolExecutor:
        return get_reusable_executor(max_workers=self.size, timeout=IDLE_SECONDS)
