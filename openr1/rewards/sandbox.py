"""Runs programs that nobody has read: limits, what came of a program, and the tests of a problem.

Where a program runs is the provider's business (:mod:`openr1.rewards.providers`), chosen by ``reward.sandbox``.
"""

from __future__ import annotations

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from openr1.errors import ConfigError
from openr1.options import load_options
from openr1.rewards.calls import calling, same_result
from openr1.rewards.outputs import same_output

Test = tuple[str, ...]  # of a problem, see openr1.data.tasks.base.Problem
PROVIDERS: dict[str, str] = {
    "bubblewrap": "openr1.rewards.providers.bubblewrap:Bubblewrap",
    "unsafe_subprocess": "openr1.rewards.providers.unsafe_subprocess:UnsafeSubprocess",
    "piston": "openr1.rewards.providers.piston:Piston",
    "e2b": "openr1.rewards.providers.e2b:E2B",
    "morph": "openr1.rewards.providers.morph:Morph",
}


class SandboxError(RuntimeError):
    """The sandbox failed, not the program: nothing is known about the program."""


@dataclass
class Limits:
    """What one run of a program, on one test, may use. A program is one process, which may have threads."""

    cpu_seconds: float = 5.0  # processor time, rounded up to whole seconds
    wall_seconds: float = 10.0
    memory_mb: int = 512  # address space
    threads: int = 32
    output_kb: int = 1024  # printed, errors included; past it the program is stopped
    disk_mb: int = 16  # in its private /tmp
    sample_seconds: float = 60.0  # for all tests of one program: tests that have not begun by then fail
    parallel: int = 1  # tests of one program at once; above 1 for a remote provider


@dataclass(frozen=True)
class Outcome:
    """What came of one run of a program."""

    stdout: str
    stderr: str = ""
    exit_code: int = 0
    status: str = "exited"  # or timeout, or output where it printed too much

    @property
    def well(self) -> bool:
        """The program ended by itself, without an error."""
        return self.status == "exited" and self.exit_code == 0

    def gives(self, expected: str) -> bool:
        """Compare all that the program printed with what is expected, by :func:`~openr1.rewards.outputs.same_output`.

        A program that did not end well gives nothing.
        """
        return self.well and same_output(self.stdout, expected)

    def passes(self, test: Test) -> bool:
        """Compare what came of a test's input with what the test expects."""
        _, expected, *call = test
        return self.well and same_result(self.stdout, expected, *call[1:]) if call else self.gives(expected)


class Provider(ABC):
    """A place where programs run. All methods may be called by many threads at once."""

    Options: type  # dataclass of what the provider can be told, all with defaults

    def __init__(self, options: Any, limits: Limits) -> None:
        self.options, self.limits = options, limits

    @property
    def longest(self) -> float:
        """Seconds that one run may take at most, everything included: after them the provider itself must hang."""
        return self.limits.wall_seconds + 5

    @abstractmethod
    def check(self) -> None:
        """Run a first program.

        :raises ConfigError: where programs cannot run here, with a line that says what is missing.
        """

    @abstractmethod
    def session(self, program: str) -> AbstractContextManager[Callable[[str], Outcome]]:
        """Ready to run a program; each call runs it once, afresh, on a standard input.

        :raises SandboxError: where the sandbox fails. The program's own failures are outcomes.
        """


@dataclass(frozen=True)
class Sandbox:
    """A provider and its limits."""

    provider: Provider
    limits: Limits = field(default_factory=Limits)

    def run(self, program: str, stdin: str = "") -> Outcome:
        """Run a program once. Call it from many threads to run many at once."""
        with self.provider.session(program) as execute:
            return execute(stdin)

    def test(
        self,
        program: str,
        tests: Sequence[Test],
        every: bool = True,
        progress: Callable[[str], Any] = lambda stage: None,
    ) -> tuple[bool, ...]:
        """Test by test, whether a program answers a standard input with the expected output, or a call with the result.

        :param every: False to stop after the first test that fails; the results end with it.
        :param progress: called as each test ends.
        """
        deadline = time.monotonic() + self.limits.sample_seconds
        passed: list[bool] = []
        progress("completion")
        with ExitStack() as stack:
            names = dict.fromkeys(test[2:3] for test in tests)  # of the functions; without one, the program itself
            sources = {name: calling(program, *name) if name else program for name in names}
            run = {name: stack.enter_context(self.provider.session(source)) for name, source in sources.items()}
            pool = stack.enter_context(ThreadPoolExecutor(self.limits.parallel))

            def one(test: Test) -> bool:
                return time.monotonic() < deadline and run[test[2:3]](test[0]).passes(test)

            size = len(tests) if every else self.limits.parallel
            for start in range(0, len(tests), size):
                for result in pool.map(one, tests[start : start + size]):
                    passed.append(result)
                    progress("completion")
                if not (every or all(passed)):
                    break
        return tuple(passed if every or all(passed) else passed[: passed.index(False) + 1])


def make(name: str = "bubblewrap", options: dict[str, Any] | None = None, limits: Limits | None = None) -> Sandbox:
    """The sandbox of a config, not yet checked.

    :raises ConfigError: for a name or an option that is not there.
    """
    limits = limits or Limits()
    if name not in PROVIDERS:
        raise ConfigError(f"reward.sandbox: {name!r} is not one of {', '.join(PROVIDERS)}")
    module, _, attribute = PROVIDERS[name].partition(":")
    provider = getattr(importlib.import_module(module), attribute)
    return Sandbox(provider(_options(provider.Options, options or {}), limits), limits)


def _options(schema: type, given: dict[str, Any]) -> Any:
    return load_options(schema, given, "reward.sandbox_options")


@cache
def default() -> Sandbox:
    """bubblewrap with the default limits, checked."""
    sandbox = make()
    sandbox.provider.check()
    return sandbox
