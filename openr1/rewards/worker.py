"""A process that scores, one piece of work after another, and may be killed at any moment.

``python -m openr1.rewards.worker DESCRIPTOR``, started by :class:`openr1.rewards.scorer.Scorer`.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from openr1.errors import ConfigError
from openr1.rewards.base import Sample, Verdict, Verified, wrong
from openr1.rewards.correctness import check
from openr1.rewards.mix import Term, build
from openr1.rewards.options import RewardConfig
from openr1.rewards.protocol import LATE, START_SECONDS, VERDICT, Done, Found, Ready, Step, Work
from openr1.rewards.sandbox import make

SOFT = 0.9  # share of a time limit, in processor time, after which Python code is interrupted; what goes on is killed
PARSE_MEMORY = 4 << 30  # bytes of address space that reading an expression may add: 9^9^9^9 asks for more than there is


class OutOfTime(BaseException):
    """The time of an answer is up. No ``except Exception`` of a library takes it for a failure of its own."""


class Worker:
    """Does the work of one process."""

    def __init__(self, connection: Connection, config: RewardConfig) -> None:
        self.connection, self.config = connection, config
        self.terms = {term.name: term for term in build(config)}
        self.sandbox = make(config.sandbox, config.sandbox_options, config.limits)
        needs = {term.reward.needs for term in self.terms.values()}
        self.checks, self.every = bool(needs - {None}), "tests" in needs
        groups = {name: term.reward.group for name, term in self.terms.items()}
        connection.send(Ready(groups, {name: term.reward.needs for name, term in self.terms.items()}))

    def do(self, work: Work) -> Done:
        found = work.found
        if work.term is not None:
            values = self._values(self.terms[work.term], work.samples, found, len(work.samples))
            return Done(found, values)
        [sample] = work.samples
        if self.checks and found.verdict is None:
            found.verdict = self._check(sample, found)
        if found.verdict:
            sample = Verified.of(sample, found.verdict)
        for name, term in self.terms.items():
            if name not in found.values and not term.reward.group:
                [found.values[name]] = self._values(term, [sample], found, 1)
        return Done(found)

    def _step(self, name: str, stage: str, seconds: float, found: Found) -> None:
        # the kernel ends this process if whoever should do so is gone; no Python code need run for that
        signal.alarm(math.ceil(seconds) + 5)
        self.connection.send(Step(name, stage, seconds, found))

    def _check(self, sample: Sample, found: Found) -> Verdict:
        limit, mathematics = self.config.time_limit, sample.problem.kind == "math"
        if sample.problem.kind == "code":
            limit += self.sandbox.provider.longest
        began = 0.0  # when what counts began: the gold answer and the answer share one limit

        def progress(stage: str) -> None:
            nonlocal began, at
            at = stage
            if stage == "start":
                self._step(VERDICT, stage, START_SECONDS, found)
                return
            began = began if began and mathematics else time.monotonic()
            self._step(VERDICT, stage, round(max(0.0, began + limit - time.monotonic()), 2), found)
            if mathematics:
                signal.setitimer(signal.ITIMER_PROF, limit * SOFT)

        at = "completion"
        self._step(VERDICT, at, START_SECONDS if mathematics else limit, found)
        try:
            with _memory(PARSE_MEMORY if mathematics else None):
                return check(sample, self.sandbox, self.every, progress)
        except OutOfTime:
            found.errors[VERDICT] = f"{LATE} {limit:g} s"
            return wrong(sample) if at == "completion" else Verdict()
        except Exception as error:  # one sample's failure is not the run's; the scorer sees when all of them fail
            found.errors[VERDICT] = _said(error)
            return Verdict()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _values(self, term: Term, samples: list[Sample] | tuple[Sample, ...], found: Found, size: int) -> list[float | None]:
        self._step(term.name, "completion", self.config.time_limit * size, found)
        try:
            return term(samples)
        except Exception as error:
            found.errors[term.name] = _said(error)
            return [None] * size


def _interrupt(*_: object) -> None:
    raise OutOfTime


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


@contextmanager
def _memory(more: int | None) -> Iterator[None]:
    """A soft limit of address space above what the process has."""
    statistics = Path("/proc/self/statm")
    if more is None or not statistics.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(statistics.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more if hard == resource.RLIM_INFINITY else min(now + more, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main() -> None:
    connection = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, _interrupt)
    warnings.simplefilter("ignore")  # of what a completion's mathematics is warned of
    try:
        worker = Worker(connection, connection.recv())
    except ConfigError as error:
        connection.send(Ready(error=str(error)))
        return
    while True:
        try:
            work = connection.recv()
        except EOFError:  # the scorer is gone
            return
        done = worker.do(work)
        signal.alarm(0)
        connection.send(done)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes are the parallelism
    main()
