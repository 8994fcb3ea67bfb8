"""Concurrency: how many runs are under way at once, and what processes beside each other need."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from omegaconf import DictConfig

from openr1.system.errors import RunError


def process_count(n_jobs: int) -> int:
    """Return the number of processes that joblib starts for ``n_jobs``, where -1 stands for all cores."""
    return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)


def runs_at_once(config: DictConfig) -> int:
    """Return how many runs the launcher of a composed config has under way at once."""
    launcher = config.hydra.launcher
    for key in ("n_jobs", "array_parallelism"):
        if launcher.get(key) is not None:
            return process_count(int(launcher[key]))
    if "ray" in str(launcher.get("_target_", "")):
        return max(1, int((launcher.get("ray") or {}).get("init", {}).get("num_cpus") or os.cpu_count() or 1))
    return 1


PROCESS_KILLED = "the process of a trial was killed, perhaps because memory ran out"


def limit_threads(environment: MutableMapping[str, str]) -> None:
    """Give each process one thread unless the user says otherwise: numerical libraries would each take every core."""
    environment.setdefault("OMP_NUM_THREADS", "1")


@contextmanager
def parallel_processes() -> Iterator[None]:
    """Limit the threads of joblib's processes in the block, and report one that was killed in one line.

    :raises RunError: where a process was killed.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    limit_threads(os.environ)
    try:
        yield
    except TerminatedWorkerError as error:
        raise RunError(f"{PROCESS_KILLED}; the same command resumes the study") from error
