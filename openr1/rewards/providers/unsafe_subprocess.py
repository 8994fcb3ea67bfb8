"""Programs as plain processes of this machine, with limits but without protection: they may do all that the caller may."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openr1.rewards.providers.process import PYTHON, arguments, watch
from openr1.rewards.sandbox import Outcome, Provider


@dataclass
class UnsafeSubprocessOptions:
    """Nothing to set."""


class UnsafeSubprocess(Provider):
    Options = UnsafeSubprocessOptions

    def check(self) -> None:
        """It can always run."""

    @contextmanager
    def session(self, program: str) -> Iterator[Callable[[str], Outcome]]:
        source = program.encode(errors="replace")

        def execute(stdin: str) -> Outcome:
            def command(ready: int) -> list[str]:
                return [sys.executable, *PYTHON, *arguments(source, ready, self.limits)]

            return watch(command, source, stdin, self.limits, group=True)

        yield execute
