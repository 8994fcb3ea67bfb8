"""Which process a worker is, and whether it has ended."""

from __future__ import annotations

import functools
import os
import socket
import threading
import time
from pathlib import Path

WATCH_SECONDS = 1.0  # after which a job notices that its worker has ended


def whoami() -> dict[str, object]:
    """This worker: where it runs, and what tells its process from a later one of the same number."""
    return {"host": socket.gethostname(), "machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def on_this_machine(worker: dict[str, object]) -> bool:
    return _machine() is not None and worker["machine"] == _machine()


def is_gone(worker: dict[str, object]) -> bool:
    """Whether a worker of this machine has ended; False also where nobody here can know."""
    return on_this_machine(worker) and _started(worker["pid"]) != worker["started"]


@functools.cache
def _machine() -> str | None:
    """This boot of this machine, and the namespace of its process numbers; None where there is no /proc."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process started, in ticks since the boot; None where there is no such process, or nobody has noticed its end."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else rest[18]


def end_with(worker: dict[str, object]) -> None:
    """Have this process end when a worker of this machine does, however that ends: nobody waits for what it is at."""
    if on_this_machine(worker) and worker["pid"] != os.getpid():
        _watch(worker["pid"], worker["started"])


@functools.cache
def _watch(pid: int, started: str | None) -> None:
    """Once, in a process that has one trial after another."""

    def watch() -> None:
        while _started(pid) == started:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
