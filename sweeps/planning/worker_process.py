"""The process of a worker: its identity, and a test of whether it has ended."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path
from typing import TypedDict

from openr1.system.interrupts import end_after


class WorkerProcess(TypedDict):
    """The identity of a process, as an attribute of a trial holds it."""

    host: str
    machine: str | None  # see _machine_id
    pid: int
    started: str | None  # tells the process from a later one of the same number


def current_process() -> WorkerProcess:
    """Return the identity of this process."""
    return {"host": socket.gethostname(), "machine": _machine_id(), "pid": os.getpid(), "started": _start_time(os.getpid())}


def is_on_this_machine(worker: WorkerProcess) -> bool:
    return _machine_id() is not None and worker["machine"] == _machine_id()


def has_ended(worker: WorkerProcess) -> bool:
    """Return True for a worker of this machine that has ended; False also where this machine cannot know."""
    return is_on_this_machine(worker) and _start_time(worker["pid"]) != worker["started"]


def exit_with(worker: WorkerProcess) -> None:
    """End this process once a worker of this machine has ended in any way (:func:`openr1.system.interrupts.end_after`)."""
    if is_on_this_machine(worker) and worker["pid"] != os.getpid():
        _start_watching(worker["pid"], worker["started"])


@functools.cache
def _machine_id() -> str | None:
    """Return the id of this boot and of the namespace of process numbers; None where there is no /proc."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _start_time(pid: int) -> str | None:
    """Return when a process started, in ticks since the boot; None for no such process, or a zombie."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]


@functools.cache
def _start_watching(pid: int, started: str | None) -> None:
    """Watch a worker, once in a process that runs one trial after another."""
    end_after(lambda: _start_time(pid) != started)
