"""Worker processes that score, watched: one that hangs or dies is replaced, and the step that it was at is blamed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Pipe, wait

from openr1.errors import ConfigError, RunError
from openr1.rewards.base import Verdict, wrong
from openr1.rewards.options import RewardConfig
from openr1.rewards.protocol import LATE, START_SECONDS, VERDICT, Done, Ready, Step, Work


class Process:
    """A worker process, and what it is doing."""

    def __init__(self, config: RewardConfig) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "openr1.rewards.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a user's own reward prints
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                start_new_session=True,  # an interrupt at the terminal is for whoever started it
            )
        self.connection.send(config)
        self.ready: Ready | None = None
        self.work: int | None = None  # its place among the works of a run
        self.step: Step | None = None
        self.seconds = START_SECONDS
        self.since = time.monotonic()

    @property
    def busy(self) -> bool:
        return self.ready is None or self.work is not None

    @property
    def left(self) -> float:
        """Seconds until its time is up."""
        return self.since + self.seconds - time.monotonic()

    def give(self, place: int, work: Work) -> None:
        self.work, self.step, self.seconds, self.since = place, None, START_SECONDS, time.monotonic()
        self.connection.send(work)

    def kill(self, died: bool = False) -> str:
        """End it, and tell how it ended if it had died."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1 if died else 0)
        code = self.process.returncode
        self.process.kill()
        self.process.wait()
        self.connection.close()
        return "" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"


class Pool:
    """At most ``config.workers`` processes, kept from one run to the next. For one thread at a time, whichever."""

    def __init__(self, config: RewardConfig) -> None:
        self.config = config
        self.most = config.workers or len(os.sched_getaffinity(0))
        self.processes: list[Process] = []

    def start(self, works: int) -> Ready:
        """Enough processes for so many pieces of work; what the first that is ready says of the mix.

        :raises ConfigError: for a mix that cannot be built.
        :raises RunError: where a process does not start.
        """
        while len(self.processes) < max(1, min(self.most, works)):
            self.processes.append(Process(self.config))
        while True:
            for process in self.processes:
                if process.ready:
                    return process.ready
            self._listen([], [], deque())

    def run(self, works: Sequence[Work]) -> list[Done]:
        """Do all work, and return what came of it, in order."""
        self.start(len(works))
        done: list[Done | None] = [None] * len(works)
        waiting = deque(range(len(works)))
        while waiting or any(process.work is not None for process in self.processes):
            for process in self.processes:
                if waiting and not process.busy:
                    place = waiting.popleft()
                    try:
                        process.give(place, works[place])
                    except OSError:  # it died while it had nothing to do: nobody's fault
                        waiting.appendleft(place)
                        self._replace(process, died=True)
                        break
            self._listen(works, done, waiting)
        return done

    def close(self) -> None:
        while self.processes:
            self.processes.pop().kill()

    def _listen(self, works: Sequence[Work], done: list[Done | None], waiting: deque[int]) -> None:
        """Take what the busy processes say, and end those that died or whose time is up."""
        busy = {process.connection: process for process in self.processes if process.busy}
        for connection in wait(list(busy), max(0.0, min((process.left for process in busy.values()), default=0.0))):
            process = busy.pop(connection)
            try:
                message = connection.recv()
            except (EOFError, OSError):
                self._lose(process, False, works, done, waiting)
            else:
                self._take(process, message, works, done)
        for process in busy.values():
            if process.left <= 0:
                self._lose(process, True, works, done, waiting)

    def _take(self, process: Process, message: Ready | Step | Done, works: Sequence[Work], done: list[Done | None]) -> None:
        if isinstance(message, Done):
            done[process.work] = message
            process.work = None
        elif isinstance(message, Step):
            process.step, process.seconds, process.since = message, message.seconds, time.monotonic()
            works[process.work].found = message.found
        elif message.error:
            raise ConfigError(message.error)
        else:
            process.ready = message

    def _lose(self, process: Process, late: bool, works: Sequence[Work], done: list[Done | None], waiting: deque[int]) -> None:
        """Replace a process. The step that it was at has failed; the rest of its work goes to another process, first of all."""
        end = self._replace(process, died=not late)
        error = f"{LATE} {process.seconds:g} s" if late else f"the process that scored it died ({end})"
        if process.ready is None:
            raise RunError(f"reward: a process that scores did not start: {error}")
        place = process.work
        done[place] = failed(works[place], process.step, error, late)
        if done[place] is None:
            waiting.appendleft(place)

    def _replace(self, process: Process, died: bool) -> str:
        end = process.kill(died)
        self.processes[self.processes.index(process)] = Process(self.config)
        return end


def failed(work: Work, step: Step | None, error: str, late: bool) -> Done | None:
    """Write into a piece of work what failed. Returns what came of it where nothing is left to be done."""
    found = work.found
    name = step.name if step else work.term or VERDICT
    found.errors[name] = error
    if work.term:
        return Done(found, [None] * len(work.samples))
    if name == VERDICT:
        completion = late and step is not None and step.stage == "completion"
        found.verdict = wrong(work.samples[0]) if completion else Verdict()
    else:
        found.values[name] = None
    # without a step it died before it began, on this very work perhaps: it is not tried again
    return None if step else Done(found)
