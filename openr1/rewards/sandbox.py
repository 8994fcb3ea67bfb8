"""A sandbox for programs of models: limits, executions, and the tests of a problem.

``reward.sandbox`` selects the provider (:mod:`openr1.rewards.providers`), which runs the programs.
"""

from __future__ import annotations

import importlib
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from annotated_types import Ge, Le

from openr1.options import load_options
from openr1.options.ranges import Seconds, Unit
from openr1.rewards.function_calls import build_call_program, same_result
from openr1.rewards.outputs import same_output
from openr1.system.errors import ConfigError

Test = tuple[str, ...]  # of a problem, see openr1.data.tasks.base.Problem
PROVIDERS: dict[str, str] = {
    "bubblewrap": "openr1.rewards.providers.bubblewrap:Bubblewrap",
    "unsafe_subprocess": "openr1.rewards.providers.unsafe_subprocess:UnsafeSubprocess",
    "piston": "openr1.rewards.providers.piston:Piston",
    "e2b": "openr1.rewards.providers.e2b:E2B",
    "morph": "openr1.rewards.providers.morph:Morph",
}


class SandboxError(RuntimeError):
    """A failure of the sandbox, not of the program, of which nothing is known."""


@dataclass
class Limits:
    """Limits of one execution of a program, on one test. A program is one process, which may have threads."""

    cpu_seconds: Seconds = 5.0  # processor time, rounded up to whole seconds
    wall_seconds: Seconds = 10.0
    memory_mb: Annotated[int, Ge(1), Le(10**7), Unit("MB")] = 512  # address space
    threads: Annotated[int, Ge(1), Le(10**5)] = 32
    output_kb: Annotated[int, Ge(1), Le(10**9), Unit("kB")] = 1024  # output and errors; beyond it the program is stopped
    disk_mb: Annotated[int, Ge(1), Le(10**7), Unit("MB")] = 16  # in its private /tmp
    sample_seconds: Seconds = 60.0  # for all tests of one program; tests that have not begun by then fail
    parallel: Annotated[int, Ge(1), Le(4096)] = 1  # tests of one program at once; above 1 for a remote provider


@dataclass(frozen=True)
class Execution:
    """The result of one execution of a program."""

    stdout: str
    stderr: str = ""
    exit_code: int = 0
    status: str = "exited"  # or timeout, or output if it printed too much

    @property
    def succeeded(self) -> bool:
        """Tell whether the program ended by itself and without an error."""
        return self.status == "exited" and self.exit_code == 0

    def prints(self, expected: str) -> bool:
        """Tell whether the program succeeded and its output is ``expected``, by :func:`~openr1.rewards.outputs.same_output`."""
        return self.succeeded and same_output(self.stdout, expected)

    def passes(self, test: Test, mark: str = "") -> bool:
        """Tell whether the program, run on a test's input, gave the expected output or, after the mark, result."""
        _, expected, *call = test
        if not call:
            return self.prints(expected)
        returned = self.succeeded and self.stdout.startswith(mark)
        return returned and same_result(self.stdout.removeprefix(mark), expected, *call[1:])


class Provider(ABC):
    """A provider that runs programs. All methods may be called by many threads at once."""

    Options: type  # dataclass of the provider's options, all with defaults

    def __init__(self, options: Any, limits: Limits) -> None:
        self.options, self.limits = options, limits

    @property
    def longest_seconds(self) -> float:
        """Return the longest time that one execution may take in all; beyond it, the provider itself hangs."""
        return self.limits.wall_seconds + 5

    @abstractmethod
    def check_available(self) -> None:
        """Run a first program.

        :raises ConfigError: if programs cannot run here; the line says what is missing.
        """

    @abstractmethod
    def session(self, program: str) -> AbstractContextManager[Callable[[str], Execution]]:
        """Prepare a program; each call of the returned function executes it once, afresh, on a standard input.

        :raises SandboxError: if the sandbox fails. Failures of the program are executions.
        """


@dataclass(frozen=True)
class Sandbox:
    """A provider and its limits."""

    provider: Provider
    limits: Limits = field(default_factory=Limits)

    def execute(self, program: str, stdin: str = "") -> Execution:
        """Execute a program once. Many threads may call this at once."""
        with self.provider.session(program) as execute:
            return execute(stdin)

    def run_tests(
        self,
        program: str,
        tests: Sequence[Test],
        run_all: bool = True,
        progress: Callable[[str], Any] = lambda stage: None,
    ) -> tuple[bool, ...]:
        """Run tests, and return for each whether the program gave the expected output or result.

        :param run_all: False to stop after the first test that fails; the results end with it.
        :param progress: called as each test ends.
        """
        deadline = time.monotonic() + self.limits.sample_seconds
        passed: list[bool] = []
        progress("completion")
        with ExitStack() as stack:
            names = dict.fromkeys(test[2:3] for test in tests)  # of the functions; empty to run the program itself
            sources = {name: build_call_program(program, *name) if name else program for name in names}
            sessions = {name: stack.enter_context(self.provider.session(source)) for name, source in sources.items()}
            pool = stack.enter_context(ThreadPoolExecutor(self.limits.parallel))

            def run_test(test: Test) -> bool:
                mark = secrets.token_hex(8) if test[2:] else ""  # a program that writes a result itself does not know it
                stdin = f"{mark}\n{test[0]}" if mark else test[0]
                return time.monotonic() < deadline and sessions[test[2:3]](stdin).passes(test, mark)

            size = len(tests) if run_all else self.limits.parallel
            for start in range(0, len(tests), size):
                for result in pool.map(run_test, tests[start : start + size]):
                    passed.append(result)
                    progress("completion")
                if not (run_all or all(passed)):
                    break
        return tuple(passed if run_all or all(passed) else passed[: passed.index(False) + 1])


def build_sandbox(name: str = "bubblewrap", options: dict[str, Any] | None = None, limits: Limits | None = None) -> Sandbox:
    """Build the sandbox of a config, without checking that it works.

    :raises ConfigError: for an unknown name or option.
    """
    limits = limits or Limits()
    if name not in PROVIDERS:
        raise ConfigError(f"reward.sandbox: {name!r} is not one of {', '.join(PROVIDERS)}")
    module, _, attribute = PROVIDERS[name].partition(":")
    provider = getattr(importlib.import_module(module), attribute)
    return Sandbox(provider(load_options(provider.Options, options or {}, "reward.sandbox_options"), limits), limits)


@cache
def default_sandbox() -> Sandbox:
    """Return bubblewrap with the default limits.

    :raises ConfigError: if bubblewrap does not work here.
    """
    sandbox = build_sandbox()
    sandbox.provider.check_available()
    return sandbox
