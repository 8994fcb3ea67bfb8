"""Programs on machines of E2B (package ``e2b``, key in E2B_API_KEY)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openr1.rewards.providers.remote import Machine, Rented


@dataclass
class E2BOptions:
    """Options of the sandbox ``e2b``."""

    template: str | None = None  # of the machine, which has python3; null for the default


class E2B(Rented):
    """A provider that runs programs on machines of E2B."""

    Options, package, key = E2BOptions, "e2b", "E2B_API_KEY"

    @contextmanager
    def machine(self, service: Any) -> Iterator[Machine]:
        seconds = math.ceil(self.limits.sample_seconds + self.longest_seconds)
        sandbox = service.Sandbox.create(self.options.template, timeout=seconds, allow_internet_access=False)
        try:
            yield _Sandbox(service, sandbox)
        finally:
            sandbox.kill()


@dataclass(frozen=True)
class _Sandbox:
    service: Any
    sandbox: Any

    def put(self, path: str, text: str) -> None:
        self.sandbox.files.write(path, text)

    def execute(self, command: str, seconds: float) -> tuple[int, str, str]:
        try:
            result = self.sandbox.commands.run(command, timeout=seconds)
        except self.service.CommandExitException as error:  # any exit code but 0
            result = error
        return result.exit_code, result.stdout, result.stderr
