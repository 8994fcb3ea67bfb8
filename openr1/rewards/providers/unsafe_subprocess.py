"""Programs as plain processes of this machine, with limits but without protection: they have all rights of the caller.

It is no sandbox. A program can read and change all files of the caller, use the network, and start processes of other sessions,
which have limits of their own and outlive it. Only programs that are trusted should run so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openr1.rewards.providers.process import PYTHON, build_arguments, run_limited
from openr1.rewards.sandbox import Execution, Provider


@dataclass
class UnsafeSubprocessOptions:
    """Options of the sandbox ``unsafe_subprocess``, which has none."""


class UnsafeSubprocess(Provider):
    """A provider that runs programs as plain processes, which nothing isolates."""

    Options = UnsafeSubprocessOptions

    def check_available(self) -> None:
        """Do nothing, since processes can always run."""

    @contextmanager
    def session(self, program: str) -> Iterator[Callable[[str], Execution]]:
        source = program.encode(errors="replace")

        def execute(stdin: str) -> Execution:
            def command(ready: int) -> list[str]:
                return [sys.executable, *PYTHON, *build_arguments(source, ready, self.limits)]

            return run_limited(command, source, stdin, self.limits, group=True)

        yield execute
