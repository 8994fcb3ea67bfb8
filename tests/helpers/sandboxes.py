"""Bubblewrap as tests start it, and the processes that it has on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from openr1.rewards.providers.bubblewrap import Bubblewrap, BubblewrapOptions
from openr1.rewards.sandbox import Limits
from openr1.system.errors import ConfigError

AS_USER = "in a user namespace"
WAYS = ["as root", AS_USER] if os.geteuid() == 0 else [AS_USER]


def bubblewrap(way: str, limits: Limits) -> Bubblewrap:
    """Return bubblewrap, started in one of WAYS; skip the test where it does not work."""
    provider = Bubblewrap(BubblewrapOptions(), limits)
    if way == AS_USER:
        provider.users = range(0)
    try:
        provider.check_available()
    except ConfigError as error:
        pytest.skip(str(error))
    return provider


def running(limits: Limits) -> list[Path]:
    """Return the processes that run programs within limits of this memory, which marks them."""
    mark = str(limits.memory_mb << 20).encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path] if mark in path.read_bytes().split(b"\0") else []
        except OSError:
            continue
    return found


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """Wait until a condition holds, and tell whether it did in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
