"""What a study may cost: above ``sweep.ask_above`` it must be confirmed, and beyond ``sweep.allowance`` nothing starts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher

from openr1.distributed.options import ComputeConfig
from openr1.errors import ConfigError
from sweeps.config import Allowance, SweepConfig
from sweeps.cost.price import RunPrice, processes
from sweeps.limits.amount import Amount, total

Start = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]
Spent = Callable[[Collection[str]], Amount]  # by the study, without the stages of these fingerprints


def check_confirmed(amount: Amount, sweep: SweepConfig) -> None:
    """Refuse what costs more than may start without a word.

    :param amount: of what is to start, and was started by the same command.
    :raises ConfigError: in a line that says the price and the limit.
    """
    beyond = None if sweep.confirm else amount.beyond(sweep.ask_above)
    if beyond:
        raise ConfigError(f"sweep.confirm: this takes {beyond} that sweep.ask_above allows; start it with sweep.confirm=true")


def times_matter(sweep: SweepConfig, computes: Iterable[ComputeConfig]) -> bool:
    """Whether it must be known before the start how long runs take: a limit is in hours or money, and they cost some."""
    costly = any(compute.device == "cuda" or compute.price_per_hour for compute in computes)
    return costly and (sweep.allowance.in_time() or (sweep.ask_above.in_time() and not sweep.confirm))


def is_limited(allowance: Allowance) -> bool:
    return any(most is not None for most in vars(allowance).values())


class Allowed:
    """Launches runs in their order while the allowance of the study lasts: what its runs have spent, what those under way are
    expected to take, and what the next one is, are together within it. What nobody can foresee counts once it is spent.

    :param prices: of the runs that may be launched, by their overrides.
    :param spent: what the study has spent.
    :ivar stopped: what the next run would have taken the study to, in words; None where all were launched.
    """

    def __init__(
        self, allowance: Allowance, launcher: Launcher, prices: Mapping[tuple[str, ...], RunPrice], spent: Spent
    ) -> None:
        self.allowance, self.launcher, self.prices, self.spent = allowance, launcher, prices, spent
        self.lock = threading.Lock()
        self.stopped: str | None = None
        self.next = 0
        self.running: dict[int, RunPrice] = {}

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn | None]:
        """As :meth:`hydra.plugins.launcher.Launcher.launch`; None for a job that was not launched."""
        launcher, joblib = self.launcher, getattr(self.launcher, "joblib", None)
        if joblib is None and type(launcher).__name__ != "BasicLauncher":
            return self._cut(job_overrides, initial_job_idx)
        size = 1 if joblib is None else processes(int(joblib["n_jobs"]))
        if size == 1:
            return self._one_by_one(job_overrides, initial_job_idx, launcher.launch, 1)
        from sweeps.study.process_pool import ProcessPool, side_by_side

        with side_by_side():
            return self._one_by_one(job_overrides, initial_job_idx, ProcessPool(launcher, size).start, size)

    def _cut(self, jobs: Sequence[Sequence[str]], first: int) -> list[JobReturn | None]:
        """All at once that are expected to be within the allowance: the launcher does not say when one of them ends."""
        launched, expected = 0, self.spent(())
        for job in jobs:
            expected += self.prices[tuple(job)].amount
            if beyond := expected.beyond(self.allowance):
                self.stopped = beyond
                break
            launched += 1
        results = list(self.launcher.launch(jobs[:launched], first)) if launched else []
        return results + [None] * (len(jobs) - launched)

    def _one_by_one(self, jobs: Sequence[Sequence[str]], first: int, start: Start, size: int) -> list[JobReturn | None]:
        results: list[JobReturn | None] = [None] * len(jobs)

        def estimate() -> None:
            while (i := self._taken(jobs)) is not None:
                try:
                    (results[i],) = start([jobs[i]], first + i)
                except BaseException:
                    self.stopped = self.stopped or "interrupted"  # the other threads take no more
                    raise
                finally:
                    with self.lock:
                        del self.running[i]

        with ThreadPoolExecutor(size) if size > 1 else nullcontext() as threads:
            if threads is None:
                estimate()
            else:
                futures = [threads.submit(estimate) for _ in range(size)]
                try:
                    for future in futures:
                        future.result()
                except BaseException:
                    self.stopped = self.stopped or "interrupted"
                    raise
        return results

    def _taken(self, jobs: Sequence[Sequence[str]]) -> int | None:
        """The next job, if there is one that may start. While others are under way they may turn out to take less: whoever is
        at one of them asks again."""
        with self.lock:
            i = self.next
            if self.stopped or i == len(jobs):
                return None
            one = self.prices[tuple(jobs[i])]
            expected = [*self.running.values(), one]
            # what a killed run has spent is in its whole price
            apart = {stage.stage.fingerprint for run in expected for stage in run.stages if stage.left}
            if beyond := (self.spent(apart) + total(run.whole for run in expected)).beyond(self.allowance):
                if not self.running:
                    self.stopped = beyond
                return None
            self.next, self.running[i] = i + 1, one
            return i
