"""A pool of worker processes that score. If one hangs or dies, it is replaced, and its current step has failed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Pipe, wait
from typing import Any

from openr1.rewards.base import Verdict, wrong_verdict
from openr1.rewards.options import RewardConfig
from openr1.rewards.protocol import LATE, START_SECONDS, VERDICT, Ready, StepStart, Task, TaskResult
from openr1.system.errors import ConfigError, RunError


class WorkerProcess:
    """A worker process with its current task and step."""

    def __init__(self, config: RewardConfig) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "openr1.rewards.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # a user's own reward may print
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # an interrupt at the terminal is not for the workers
            )
        self.connection.send(config)
        self.ready: Ready | None = None
        self.place: int | None = None  # of its task among the tasks of a call
        self.step: StepStart | None = None
        self.seconds = START_SECONDS
        self.since = time.monotonic()

    @property
    def busy(self) -> bool:
        """Tell whether the process is starting or has a task."""
        return self.ready is None or self.place is not None

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the time limit of the current step."""
        return self.since + self.seconds - time.monotonic()

    def send(self, place: int, task: Task) -> None:
        """Send a task to the process."""
        self.place, self.step, self.seconds, self.since = place, None, START_SECONDS, time.monotonic()
        self.connection.send(task)

    def kill(self, died: bool = False) -> str:
        """Kill the process. Returns how it ended if it died by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1 if died else 0)
        code = self.process.returncode
        self.process.kill()
        self.process.wait()
        self.connection.close()
        return "" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"


class WorkerPool:
    """A pool of at most ``config.workers`` processes, kept from one call to the next. It serves one thread at a time."""

    def __init__(self, config: RewardConfig) -> None:
        self.config = config
        self.maximum = config.workers or len(os.sched_getaffinity(0))
        self.processes: list[WorkerProcess] = []

    def start(self, tasks: int) -> Ready:
        """Start enough processes for a number of tasks, and return the message of the first that is ready.

        :raises ConfigError: for a mix that cannot be built.
        :raises RunError: if a process does not start.
        """
        while len(self.processes) < max(1, min(self.maximum, tasks)):
            self.processes.append(WorkerProcess(self.config))
        while True:
            for process in self.processes:
                if process.ready:
                    return process.ready
            self._listen(Batch([]))

    def process(self, tasks: Sequence[Task]) -> list[TaskResult]:
        """Process all tasks, and return their results in order."""
        self.start(len(tasks))
        batch = Batch(tasks)
        while batch.waiting or any(process.place is not None for process in self.processes):
            for process in self.processes:
                if batch.waiting and not process.busy:
                    place = batch.waiting.popleft()
                    try:
                        process.send(place, tasks[place])
                    except OSError:  # it died while idle, so the task has not failed
                        batch.waiting.appendleft(place)
                        self._replace(process, died=True)
                        break
            self._listen(batch)
        return [batch.results[place] for place in range(len(tasks))]

    def close(self) -> None:
        """Kill all processes."""
        while self.processes:
            self.processes.pop().kill()

    def _listen(self, batch: Batch) -> None:
        """Receive the messages of the busy processes, and replace those that died or exceeded a time limit."""
        busy: dict[Any, WorkerProcess] = {process.connection: process for process in self.processes if process.busy}
        timeout = max(0.0, min((process.seconds_left for process in busy.values()), default=0.0))
        for connection in wait(list(busy), timeout):
            process = busy.pop(connection)
            try:
                message = process.connection.recv()
            except (EOFError, OSError):
                self._lose(process, False, batch)
            else:
                self._receive(process, message, batch)
        for process in busy.values():
            if process.seconds_left <= 0:
                self._lose(process, True, batch)

    def _receive(self, process: WorkerProcess, message: Ready | StepStart | TaskResult, batch: Batch) -> None:
        if isinstance(message, Ready):
            if message.error:
                raise ConfigError(message.error)
            process.ready = message
            return
        assert process.place is not None  # of a process that has a task
        if isinstance(message, TaskResult):
            batch.results[process.place] = message
            process.place = None
        else:
            process.step, process.seconds, process.since = message, message.seconds, time.monotonic()
            batch.tasks[process.place].score = message.score

    def _lose(self, process: WorkerProcess, late: bool, batch: Batch) -> None:
        """Replace a process. Its current step has failed; another process does the rest of its task next."""
        end = self._replace(process, died=not late)
        error = f"{LATE} {process.seconds:g} s" if late else f"the process that scored it died ({end})"
        if process.ready is None or process.place is None:
            raise RunError(f"reward: a process that scores did not start: {error}")
        result = record_failure(batch.tasks[process.place], process.step, error, late)
        if result is None:
            batch.waiting.appendleft(process.place)
        else:
            batch.results[process.place] = result

    def _replace(self, process: WorkerProcess, died: bool) -> str:
        end = process.kill(died)
        self.processes[self.processes.index(process)] = WorkerProcess(self.config)
        return end


class Batch:
    """The tasks of one call, their results by place, and the places that wait."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.results: dict[int, TaskResult] = {}
        self.waiting = deque(range(len(tasks)))


def record_failure(task: Task, step: StepStart | None, error: str, late: bool) -> TaskResult | None:
    """Record a failed step in the score of a task. Returns the result of the task, or None if other steps are left."""
    score = task.score
    name = step.name if step else task.term or VERDICT
    score.errors[name] = error
    if task.term:
        return TaskResult(score, [None] * len(task.samples))
    if name == VERDICT:
        completion = late and step is not None and step.stage == "completion"
        score.verdict = wrong_verdict(task.samples[0]) if completion else Verdict()
    else:
        score.values[name] = None
    # without a step the process died before the first one, perhaps because of this task, which is not tried again
    return None if step else TaskResult(score)
