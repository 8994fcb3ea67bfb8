"""What the rented machines have in common: a shell command that runs a program within limits, and what it says.

One machine is rented for a program and given back after its tests. Each test has its own files; but what one run leaves on the
machine, the next run of the same program can find.
"""

from __future__ import annotations

import importlib
import itertools
import math
import os
import shlex
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from openr1.errors import ConfigError
from openr1.rewards.sandbox import Limits, Outcome, Provider, SandboxError

FOLDER = "/tmp/openr1"
ERRORS = 10_000  # bytes of the errors that come back


class Machine(Protocol):
    """A rented machine."""

    def put(self, path: str, text: str) -> None: ...

    def execute(self, command: str, seconds: float) -> tuple[int, str, str]:
        """Exit code, output and errors of a shell command."""


class Rented(Provider):
    """Programs on machines that a service rents out."""

    package: str  # of PyPI, and its module
    key: str  # environment variable of the service's key

    @property
    def longest(self) -> float:
        return self.limits.wall_seconds + 120  # renting included

    @abstractmethod
    @contextmanager
    def machine(self, service: Any) -> Iterator[Machine]:
        """Rent a machine, and give it back.

        :param service: the module of the package.
        """

    def check(self) -> None:
        name = type(self).__name__.lower()
        try:
            importlib.import_module(self.package)
        except ImportError as error:
            raise ConfigError(
                f"reward.sandbox: {name} needs its package: pip install {self.package.partition('.')[0]}"
            ) from error
        if not os.environ.get(self.key):
            raise ConfigError(f"reward.sandbox: {name} needs its key in the environment variable {self.key}")
        try:
            with self.session("print(6 * 7)") as execute:
                outcome = execute("")
        except SandboxError as error:
            raise ConfigError(f"reward.sandbox: {name} does not run programs: {error}") from error
        if not outcome.gives("42"):
            raise ConfigError(f"reward.sandbox: Python does not run on {name}: {outcome.stderr.strip() or outcome.status}")

    @contextmanager
    def session(self, program: str) -> Iterator[Callable[[str], Outcome]]:
        service = importlib.import_module(self.package)
        numbers = itertools.count()
        with failing_as_sandbox(), self.machine(service) as machine:
            machine.execute(f"mkdir -p {FOLDER}", 30)
            machine.put(f"{FOLDER}/program.py", program)

            def execute(stdin: str) -> Outcome:
                run = f"{FOLDER}/{next(numbers)}"
                with failing_as_sandbox():
                    machine.put(f"{run}.in", stdin)
                    command = shell_command(f"{FOLDER}/program.py", run, self.limits)
                    return outcome_of(*machine.execute(command, self.limits.wall_seconds + 30), self.limits)

            yield execute


@contextmanager
def failing_as_sandbox() -> Iterator[None]:
    """Whatever a service's package raises is the sandbox's failure."""
    try:
        yield
    except SandboxError:
        raise
    except Exception as error:
        raise SandboxError(f"{type(error).__name__}: {error}") from error


def shell_command(program: str, run: str, limits: Limits) -> str:
    """Runs a program on ``RUN.in``; prints at most one byte more than the limit, and ends with the program's exit code."""
    inside = (
        f"ulimit -c 0 -t {math.ceil(limits.cpu_seconds)} -v {limits.memory_mb << 10} -f {limits.disk_mb << 10}; "
        f'cd /tmp; env -i PATH="$PATH" HOME=/tmp PYTHONHASHSEED=0 PYTHONINTMAXSTRDIGITS=0 PYTHONUTF8=1 '
        f"timeout -s KILL {limits.wall_seconds:g} python3 -s {program} < {run}.in 2> {run}.err "
        f"| head -c {(limits.output_kb << 10) + 1}; code=${{PIPESTATUS[0]}}; head -c {ERRORS} {run}.err >&2; exit $code"
    )
    return f"bash -c {shlex.quote(inside)}"


def outcome_of(code: int, stdout: str, stderr: str, limits: Limits) -> Outcome:
    """What came of :func:`shell_command`: 137 is ``timeout -s KILL``, 152 the limit of processor time."""
    status = "timeout" if code in (137, 152) else "output" if len(stdout.encode()) > limits.output_kb << 10 else "exited"
    return Outcome(stdout, stderr, code, status)
