"""The identity of a process, and a test of whether it has ended, also after its number has gone to another process."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path
from typing import TypedDict


class ProcessIdentity(TypedDict):
    """The identity of a process, as JSON holds it."""

    host: str
    machine: str | None  # see machine_id
    pid: int
    started: str | None  # tells the process from a later one of the same number


def current_process() -> ProcessIdentity:
    """Return the identity of this process."""
    return {"host": socket.gethostname(), "machine": machine_id(), "pid": os.getpid(), "started": start_time(os.getpid())}


def is_on_this_machine(process: ProcessIdentity) -> bool:
    return machine_id() is not None and process["machine"] == machine_id()


def has_ended(process: ProcessIdentity) -> bool:
    """Return True for a process of this machine that has ended; False also where this machine cannot know."""
    return is_on_this_machine(process) and start_time(process["pid"]) != process["started"]


@functools.cache
def machine_id() -> str | None:
    """Return the id of this boot and of the namespace of process numbers; None where there is no /proc."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def start_time(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot; None for no such process, or a zombie."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]
