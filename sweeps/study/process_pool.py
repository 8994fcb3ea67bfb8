"""A pool of joblib's processes for a sweeper that starts a run whenever another one ends.

``joblib.Parallel`` runs one batch at a time, is not safe to call from several threads, and kills its processes when it is
interrupted. The loky pool below it is used here: its processes end with their parent, and a signal lets their runs keep their
states.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from contextlib import contextmanager, suppress
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from hydra.plugins.launcher import Launcher
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from openr1.sweeps.compat import joblib_options, joblib_task, process_ids
from openr1.sweeps.planning.concurrency import PROCESS_KILLED, parallel_processes, process_count
from openr1.system.errors import Interrupted, RunError
from openr1.system.interrupts import INTERRUPT_SECONDS, interruptible, received, start_worker

ATTEMPTS = 3  # of a job whose process is killed
IDLE_SECONDS = 300  # after which an idle process of the pool ends


class ProcessPool:
    """Processes that run the jobs of a launcher; each keeps what it has imported for its next job.

    :param launcher: one of joblib's.
    :param size: number of processes.
    """

    def __init__(self, launcher: Launcher, size: int) -> None:
        self.launcher: Any = launcher
        self.size = size
        self.lock = threading.Lock()
        self.pool: ProcessPoolExecutor | None = None
        self.futures: set[Future[JobReturn]] = set()  # of the jobs under way
        setup_globals()
        self.state = Singleton.get_state()

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Launch jobs and wait for them, as :meth:`hydra.plugins.launcher.Launcher.launch`.

        :raises RunError: where a process was killed.
        """
        with parallel_processes(), self.cancelled_by_errors():
            return self.start(job_overrides, initial_job_idx)

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Launch jobs and wait for them, from any thread.

        If a process is killed, the jobs under way in all of them are lost, and are launched again in new ones.

        :raises RunError: where another program has interrupted a process.
        :raises TerminatedWorkerError: for a job that was lost :data:`ATTEMPTS` times.
        """
        jobs = {initial_job_idx + i: overrides for i, overrides in enumerate(job_overrides)}
        results: dict[int, JobReturn] = {}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._run({number: overrides for number, overrides in jobs.items() if number not in results}, results)
                break
            except TerminatedWorkerError:
                if received() or attempt == ATTEMPTS:
                    raise
                print(f"{PROCESS_KILLED}; it is tried again", file=sys.stderr, flush=True)
        return [results[number] for number in jobs]

    def _run(self, jobs: dict[int, Sequence[str]], results: dict[int, JobReturn]) -> None:
        """Launch jobs by their numbers, and wait for their results."""
        launcher, execute_job = self.launcher, joblib_task()
        context = (launcher.hydra_context, launcher.config, launcher.task_function, self.state)
        with self.lock:
            # loky replaces a pool whose process was killed by a new one
            pool = get_reusable_executor(max_workers=self.size, timeout=IDLE_SECONDS, initializer=start_worker)
            self.pool = pool
            futures = {
                pool.submit(_execute, execute_job, number, overrides, *context): number for number, overrides in jobs.items()
            }
            self.futures.update(futures)
        try:
            for future in as_completed(futures):
                results[futures[future]] = future.result()
        except Interrupted as error:
            if received():
                raise
            if self.pool is pool:
                self.cancel()  # the interrupted process takes no more jobs
            raise RunError(f"the process of a trial was {error}; the same command resumes the study") from error
        finally:
            self.futures.difference_update(future for future in futures if future.done())

    @contextmanager
    def cancelled_by_errors(self) -> Iterator[None]:
        """End the processes if the block raises an exception, such as that of a signal."""
        try:
            yield
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Interrupt the jobs, so that they keep their states, and end the processes."""
        with self.lock:
            pool, self.pool = self.pool, None
        if pool is None:
            return
        running = [future for future in list(self.futures) if not future.cancel()]
        for number in process_ids(pool):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGTERM)
        wait(running, INTERRUPT_SECONDS)
        pool.shutdown(kill_workers=True)  # type: ignore[call-arg]  # an option of loky


def pool_of(launcher: Launcher) -> ProcessPool | None:
    """Return a pool for a launcher of joblib's that has several processes; None for any other."""
    options = joblib_options(launcher)
    size = 1 if options is None else process_count(int(options["n_jobs"]))
    return ProcessPool(launcher, size) if size > 1 else None


def _execute(job: Callable[..., JobReturn], *arguments: Any) -> JobReturn:
    with interruptible():
        return job(*arguments)
