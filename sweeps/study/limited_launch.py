"""Launches the runs of a study in order while its spend limit (``sweep.allowance``) leaves room."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from openr1.sweeps.compat import joblib_options
from openr1.sweeps.cost.price import RunPrice
from openr1.sweeps.limits.amount import Amount
from openr1.sweeps.limits.spend_limit import SpendLimit
from openr1.sweeps.planning.concurrency import parallel_processes
from openr1.sweeps.study.process_pool import pool_of

INTERRUPTED = "interrupted"

Spent = Callable[[Collection[str]], Amount]  # by the study, without the stages of these fingerprints


class LimitedLauncher:
    """A launcher that starts a run where what the study has spent, what the runs under way are expected to take, and what the
    run itself is expected to take are together within the allowance. Amounts that cannot be estimated count once spent.

    :param prices: of the runs that may be launched, by their overrides.
    :param spent: reads what the study has spent.
    :ivar stopped: why no further run starts, such as "30 flops of 25"; None where all were launched.
    """

    def __init__(self, limit: SpendLimit, launcher: Launcher, prices: Mapping[tuple[str, ...], RunPrice], spent: Spent) -> None:
        self.limit, self.launcher, self.prices, self.spent = limit, launcher, prices, spent
        self.lock = threading.Lock()
        self.stopped: str | None = None
        self.next = 0
        self.running: dict[int, RunPrice] = {}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn | None]:
        """Launch jobs as :meth:`hydra.plugins.launcher.Launcher.launch`; None for a job that was not launched."""
        launcher = self.launcher
        if joblib_options(launcher) is None and type(launcher).__name__ != "BasicLauncher":
            return self._launch_at_once(job_overrides, initial_job_idx)
        return self._launch_one_by_one(job_overrides, initial_job_idx)

    def _launch_at_once(self, jobs: Sequence[Sequence[str]], first: int) -> list[JobReturn | None]:
        """Launch those that are expected to fit, for a launcher that does not report when one of its jobs ends."""
        expected: list[Amount] = []
        spent = self.spent(())
        for job in jobs:
            expected.append(self.prices[tuple(job)].amount)
            if excess := self.limit.excess(spent, expected):
                self.stopped = excess
                expected.pop()
                break
        launched = len(expected)
        results = list(self.launcher.launch(jobs[:launched], first)) if launched else []
        return [*results, *[None] * (len(jobs) - launched)]

    def _launch_one_by_one(self, jobs: Sequence[Sequence[str]], first: int) -> list[JobReturn | None]:
        results: list[JobReturn | None] = [None] * len(jobs)
        pool = pool_of(self.launcher)
        launch = pool.start if pool else self.launcher.launch

        def work() -> None:
            while (i := self._take(jobs)) is not None:
                try:
                    (results[i],) = launch([jobs[i]], first + i)
                except BaseException:
                    self.stopped = self.stopped or INTERRUPTED  # the other threads take no more
                    raise
                finally:
                    with self.lock:
                        del self.running[i]

        if pool is None:
            work()
            return results
        with parallel_processes(), ThreadPoolExecutor(pool.size) as threads, pool.cancelled_by_errors():
            futures = [threads.submit(work) for _ in range(pool.size)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self.stopped = self.stopped or INTERRUPTED
                raise
        return results

    def _take(self, jobs: Sequence[Sequence[str]]) -> int | None:
        """Return the next job, or None where none may start.

        Runs under way may turn out cheaper than expected: the thread that waits for one asks again when it has ended.
        """
        with self.lock:
            i = self.next
            if self.stopped or i == len(jobs):
                return None
            price = self.prices[tuple(jobs[i])]
            expected = [*self.running.values(), price]
            # the whole price of an unfinished stage includes what an earlier attempt at it has spent
            unfinished = {fingerprint for run in expected for fingerprint in run.unfinished}
            if excess := self.limit.excess(self.spent(unfinished), [run.whole for run in expected]):
                if not self.running:
                    self.stopped = excess
                return None
            self.next, self.running[i] = i + 1, price
            return i
