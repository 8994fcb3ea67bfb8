"""Programs on a Piston server (github.com/engineer-man/piston, API v2), by HTTP.

The server has limits of its own, with low defaults: it refuses a ``wall_seconds`` above PISTON_RUN_TIMEOUT (3 s), and stops a
program that prints more than PISTON_OUTPUT_MAX_SIZE (1,024 bytes). Raise them on the server.
"""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from annotated_types import Interval, MinLen

from openr1.rewards.sandbox import Execution, Provider, SandboxError
from openr1.system.errors import ConfigError

RETRIED = {429, 500, 502, 503, 504}  # HTTP status of errors that may be temporary
# allows whole numbers of any length, and adds no name to the program
LAUNCH = """getattr(__import__("sys"), "set_int_max_str_digits", int)(0)
exec(compile({program!r}, "program.py", "exec", dont_inherit=True))
"""
STATUS = {"TO": "timeout", "OL": "output", "EL": "output"}  # Piston's status -> ours


@dataclass
class PistonOptions:
    """Options of the sandbox ``piston``."""

    urls: Annotated[list[str], MinLen(1)] = field(
        default_factory=lambda: ["http://localhost:2000/api/v2"]
    )  # servers, of which each execution uses one at random
    language: str = "python"
    version: str = "*"  # * for the newest version of the server
    retries: Annotated[int, Interval(ge=0, le=100)] = 4


class Piston(Provider):
    """A provider that runs programs on Piston servers."""

    Options = PistonOptions

    @property
    def longest_seconds(self) -> float:
        tries = self.options.retries + 1
        return tries * (self.limits.wall_seconds + 10) + 2.0**self.options.retries

    def check_available(self) -> None:
        language = self.options.language
        for url in self.options.urls:
            try:
                runtimes = self._ask(f"{url}/runtimes", None)
            except SandboxError as error:
                raise ConfigError(f"reward.sandbox_options.urls: no Piston server answers: {error}") from error
            if not any(language in (runtime["language"], *runtime.get("aliases", ())) for runtime in runtimes):
                known = ", ".join(sorted({runtime["language"] for runtime in runtimes})) or "none"
                raise ConfigError(f"reward.sandbox_options.language: {url} has {known}, not {language}")
        try:
            outcome = self._run("print(6 * 7)", "")
        except SandboxError as error:
            raise ConfigError(f"reward.sandbox: Piston refuses programs with reward.limits: {error}") from error
        if not outcome.prints("42"):
            raise ConfigError(f"reward.sandbox: Piston does not run {language}: {outcome.stderr.strip() or outcome.status}")

    @contextmanager
    def session(self, program: str) -> Iterator[Callable[[str], Execution]]:
        yield partial(self._run, program)

    def _run(self, program: str, stdin: str) -> Execution:
        body = {
            "language": self.options.language,
            "version": self.options.version,
            "files": [{"name": "program.py", "content": LAUNCH.format(program=program)}],
            "stdin": stdin,
            "run_timeout": round(self.limits.wall_seconds * 1000),
            "run_cpu_time": round(self.limits.cpu_seconds * 1000),
            "run_memory_limit": self.limits.memory_mb << 20,
        }
        answer = self._ask(f"{random.choice(self.options.urls)}/execute", body)
        try:
            run = answer["run"]
            code = 128 + 9 if run.get("code") is None else int(run["code"])
            status = STATUS.get(run.get("status") or "", "exited")
            if len(run["stdout"]) > self.limits.output_kb * 1024:
                status = "output"
            return Execution(run["stdout"], run.get("stderr", ""), code, status)
        except (KeyError, TypeError, ValueError) as error:
            raise SandboxError(f"the answer is not one of Piston: {str(answer)[:200]}") from error

    def _ask(self, url: str, body: dict[str, Any] | None) -> Any:
        """Send a request: GET, or with a body POST. Temporary errors are retried, each time after twice the wait."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        for attempt in range(self.options.retries + 1):
            if attempt:
                time.sleep(2.0 ** (attempt - 2) * random.uniform(0.5, 1.0))
            try:
                with urllib.request.urlopen(request, timeout=self.limits.wall_seconds + 10) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                with error:
                    cause = f"{url}: {error.code} {error.read(300).decode(errors='replace')}".strip()
                if error.code not in RETRIED:
                    break
            except (OSError, ValueError) as error:
                cause = f"{url}: {error}"
        raise SandboxError(cause)
