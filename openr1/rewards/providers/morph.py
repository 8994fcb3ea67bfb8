"""Programs on machines of Morph Cloud (package ``morphcloud``, key in MORPH_API_KEY), started from a snapshot."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from openr1.options.ranges import FreeText
from openr1.rewards.providers.remote import Machine, Rented
from openr1.system.errors import ConfigError

CHUNK = 60_000  # characters of a file in one command, below the kernel's limit of one argument


@dataclass
class MorphOptions:
    """Options of the sandbox ``morph``."""

    snapshot: FreeText = ""  # ID of the snapshot; its machine has python3


class Morph(Rented):
    """A provider that runs programs on machines of Morph Cloud."""

    Options, package, key = MorphOptions, "morphcloud.api", "MORPH_API_KEY"

    def check_available(self) -> None:
        if not self.options.snapshot:
            raise ConfigError("reward.sandbox_options.snapshot: morph needs the ID of a snapshot from which its machines start")
        super().check_available()

    @contextmanager
    def machine(self, service: Any) -> Iterator[Machine]:
        client = service.MorphCloudClient()
        seconds = math.ceil(self.limits.sample_seconds + self.longest_seconds)
        instance = client.instances.start(self.options.snapshot, ttl_seconds=seconds, ttl_action="stop", timeout=90)
        try:
            yield _Instance(instance)
        finally:
            instance.stop()


@dataclass(frozen=True)
class _Instance:
    instance: Any

    def put(self, path: str, text: str) -> None:
        encoded = base64.b64encode(text.encode(errors="replace")).decode()
        for start in range(0, max(1, len(encoded)), CHUNK):
            into = ">>" if start else ">"
            code, _, errors = self.execute(f"printf %s '{encoded[start : start + CHUNK]}' | base64 -d {into} {path}", 60)
            if code:
                raise OSError(f"{path}: {errors}")

    def execute(self, command: str, seconds: float) -> tuple[int, str, str]:
        result = self.instance.exec(command, timeout=seconds)
        return result.exit_code, result.stdout, result.stderr
