"""Programs on rented machines, by a shell command that runs a program within limits.

A machine is rented for a program and returned after its tests. Each test has its own files, but files and processes that one
execution leaves on the machine are visible to the next execution of the same program. Other programs, and this machine, are out
of reach; the network is not unless the service closes it, as E2B does. Limits are those of the shell.
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

from openr1.rewards.sandbox import Execution, Limits, Provider, SandboxError
from openr1.system.errors import ConfigError

FOLDER = "/tmp/openr1"
ERRORS = 10_000  # bytes of the errors that are returned


class Machine(Protocol):
    """A rented machine."""

    def put(self, path: str, text: str) -> None:
        """Write a file."""

    def execute(self, command: str, seconds: float) -> tuple[int, str, str]:
        """Execute a shell command. Returns its exit code, output and errors."""


class Rented(Provider):
    """A provider that runs programs on machines that a service rents out."""

    package: str  # the module of the service's package of PyPI
    key: str  # environment variable of the service's key

    @property
    def longest_seconds(self) -> float:
        return self.limits.wall_seconds + 120  # renting included

    @abstractmethod
    @contextmanager
    def machine(self, service: Any) -> Iterator[Machine]:
        """Rent a machine, and return it at the end.

        :param service: the module of the package.
        """

    def check_available(self) -> None:
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
        if not outcome.prints("42"):
            raise ConfigError(f"reward.sandbox: Python does not run on {name}: {outcome.stderr.strip() or outcome.status}")

    @contextmanager
    def session(self, program: str) -> Iterator[Callable[[str], Execution]]:
        service = importlib.import_module(self.package)
        numbers = itertools.count()
        with raise_sandbox_errors(), self.machine(service) as machine:
            machine.execute(f"mkdir -p {FOLDER}", 30)
            machine.put(f"{FOLDER}/program.py", program)

            def execute(stdin: str) -> Execution:
                path = f"{FOLDER}/{next(numbers)}"
                with raise_sandbox_errors():
                    machine.put(f"{path}.in", stdin)
                    command = build_shell_command(f"{FOLDER}/program.py", path, self.limits)
                    return to_execution(*machine.execute(command, self.limits.wall_seconds + 30), self.limits)

            yield execute


@contextmanager
def raise_sandbox_errors() -> Iterator[None]:
    """Raise any error of a service's package as a failure of the sandbox."""
    try:
        yield
    except SandboxError:
        raise
    except Exception as error:
        raise SandboxError(f"{type(error).__name__}: {error}") from error


def build_shell_command(program: str, path: str, limits: Limits) -> str:
    """Build a command that runs a program on ``PATH.in``, prints at most a byte beyond the limit, and has its exit code."""
    inside = (
        f"ulimit -c 0 -t {math.ceil(limits.cpu_seconds)} -v {limits.memory_mb << 10} -f {limits.disk_mb << 10}; "
        f'cd /tmp; env -i PATH="$PATH" HOME=/tmp PYTHONHASHSEED=0 PYTHONINTMAXSTRDIGITS=0 PYTHONUTF8=1 '
        f"timeout -s KILL {limits.wall_seconds:g} python3 -s {program} < {path}.in 2> {path}.err "
        f"| head -c {(limits.output_kb << 10) + 1}; code=${{PIPESTATUS[0]}}; head -c {ERRORS} {path}.err >&2; exit $code"
    )
    return f"bash -c {shlex.quote(inside)}"


def to_execution(code: int, stdout: str, stderr: str, limits: Limits) -> Execution:
    """Convert the result of :func:`build_shell_command`: 137 is ``timeout -s KILL``, 152 the limit of processor time."""
    status = "timeout" if code in (137, 152) else "output" if len(stdout.encode()) > limits.output_kb << 10 else "exited"
    return Execution(stdout, stderr, code, status)
