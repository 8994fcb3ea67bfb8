"""The end of the processes that work for a worker or a study, when that ends."""

from __future__ import annotations

import functools
import os

from openr1.system.interrupts import end_after
from openr1.system.processes import ProcessIdentity, is_on_this_machine, start_time


def exit_with(worker: ProcessIdentity) -> None:
    """End this process once a worker of this machine has ended in any way (:func:`openr1.system.interrupts.end_after`)."""
    if is_on_this_machine(worker) and worker["pid"] != os.getpid():
        _start_watching(worker["pid"], worker["started"])


@functools.cache
def _start_watching(pid: int, started: str | None) -> None:
    """Watch a worker, once in a process that runs one trial after another."""
    end_after(lambda: start_time(pid) != started)
