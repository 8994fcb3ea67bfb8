"""A process that scores one task after another, and may be killed at any moment.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from openr1.rewards.base import Sample, Verdict, Verified, wrong_verdict
from openr1.rewards.correctness import judge_answer
from openr1.rewards.mix import Term, build_terms
from openr1.rewards.options import RewardConfig
from openr1.rewards.protocol import LATE, START_SECONDS, VERDICT, PartialScore, Ready, StepStart, Task, TaskResult
from openr1.rewards.sandbox import build_sandbox
from openr1.system.errors import ConfigError
from openr1.system.interrupts import SIGNALS

SOFT = 0.9  # share of a time limit, in processor time, after which Python code is interrupted; the rest is killed at the limit
PARSE_MEMORY = 4 << 30  # bytes of address space that reading an expression may add: 9^9^9^9 would take all memory


class OutOfTime(BaseException):
    """The time limit of an answer. It is not an ``Exception``, so that libraries do not catch it."""


class Worker:
    """The loop body of one process: scores a task."""

    def __init__(self, connection: Connection, config: RewardConfig) -> None:
        self.connection, self.config = connection, config
        self.terms = {term.name: term for term in build_terms(config)}
        self.sandbox = build_sandbox(config.sandbox, config.sandbox_options, config.limits)
        groups = {name: term.reward.group for name, term in self.terms.items()}
        connection.send(Ready(groups, {name: term.reward.needs for name, term in self.terms.items()}))

    def perform(self, task: Task) -> TaskResult:
        """Score a task, skipping the steps that an earlier process has done."""
        score = task.score
        if task.term is not None:
            values = self._evaluate(self.terms[task.term], task.samples, score, len(task.samples))
            return TaskResult(score, values)
        [sample] = task.samples
        terms = {name: term for name, term in self.terms.items() if task.terms is None or name in task.terms}
        needs = {term.reward.needs for term in terms.values()} - {None}
        if needs and score.verdict is None:
            score.verdict = self._judge(sample, score, run_all="tests" in needs)
        if score.verdict:
            sample = Verified.of(sample, score.verdict)
        for name, term in terms.items():
            if name not in score.values and not term.reward.group:
                [score.values[name]] = self._evaluate(term, [sample], score, 1)
        return TaskResult(score)

    def _begin_step(self, name: str, stage: str, seconds: float, score: PartialScore) -> None:
        # if the scorer is gone, the kernel ends this process, even while no Python code runs
        signal.alarm(math.ceil(seconds) + 5)
        self.connection.send(StepStart(name, stage, seconds, score))

    def _judge(self, sample: Sample, score: PartialScore, run_all: bool) -> Verdict:
        limit, mathematics = self.config.time_limit, sample.problem.kind == "math"
        if sample.problem.kind == "code":
            limit += self.sandbox.provider.longest_seconds
        began = 0.0  # when the gold answer, which shares its limit with the answer, began
        current = "completion"

        def progress(stage: str) -> None:
            nonlocal began, current
            current = stage
            if stage == "start":
                self._begin_step(VERDICT, stage, START_SECONDS, score)
                return
            began = began if began and mathematics else time.monotonic()
            self._begin_step(VERDICT, stage, round(max(0.0, began + limit - time.monotonic()), 2), score)
            if mathematics:
                signal.setitimer(signal.ITIMER_PROF, limit * SOFT)

        self._begin_step(VERDICT, current, START_SECONDS if mathematics else limit, score)
        try:
            with _limit_memory(PARSE_MEMORY if mathematics else None):
                return judge_answer(sample, self.sandbox, run_all, progress)
        except OutOfTime:
            score.errors[VERDICT] = f"{LATE} {limit:g} s"
            return wrong_verdict(sample) if current == "completion" else Verdict()
        except Exception as error:  # costs this sample alone; the scorer refuses a step that fails on all samples
            score.errors[VERDICT] = _describe(error)
            return Verdict()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _evaluate(self, term: Term, samples: Sequence[Sample], score: PartialScore, size: int) -> list[float | None]:
        self._begin_step(term.name, "completion", self.config.time_limit * size, score)
        try:
            return term(samples)
        except Exception as error:
            score.errors[term.name] = _describe(error)
            return [None] * size


def _interrupt(*_: object) -> None:
    raise OutOfTime


def _describe(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


@contextmanager
def _limit_memory(more: int | None) -> Iterator[None]:
    """Limit the address space to ``more`` bytes above that of the process now."""
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


def serve(connection: Connection) -> None:
    """Score one task of the scorer after another.

    :raises EOFError, BrokenPipeError: when the scorer has ended.
    """
    try:
        worker = Worker(connection, connection.recv())
    except ConfigError as error:
        connection.send(Ready(error=str(error)))
        return
    while True:
        result = worker.perform(connection.recv())
        signal.alarm(0)
        connection.send(result)


def main() -> None:
    for number in SIGNALS:
        # the scorer ends this process; the programs that it starts do not inherit a function, as they would SIG_IGN
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGPROF, _interrupt)
    warnings.simplefilter("ignore")  # of SymPy about the mathematics of a completion
    with suppress(EOFError, BrokenPipeError):
        serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes are the parallelism
    main()
