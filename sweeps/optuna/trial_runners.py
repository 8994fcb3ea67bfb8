"""Runners of trials, one for each kind of Hydra's launchers: a trial starts whenever another one ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from openr1.sweeps.compat import connect_to_ray, joblib_options, submitit_options, submitit_shared_options
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.planning.concurrency import limit_threads, process_count
from openr1.sweeps.study.process_pool import pool_of
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import submitit

LOCAL_LAUNCHERS = ("basic", "joblib", "local", "submitit_local")  # on this machine


class TrialRunner(Protocol):
    """A runner of trials."""

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int, /) -> Sequence[JobReturn]:
        """Launch jobs and wait for them, as a Hydra launcher does; from several threads where several run at once."""
        ...

    def cancel(self) -> None:
        """End the jobs that run."""


def launcher_of(config: DictConfig) -> str:
    """Return the name of ``hydra/launcher=``."""
    return str(config.hydra.runtime.choices.get("hydra/launcher", "basic"))


def at_once(sweep: SearchConfig, config: DictConfig, launcher: Launcher) -> int:
    """Return how many trials this worker runs at once. A launcher that works in this process runs one.

    :raises ConfigError: where the launcher cannot run several.
    """
    joblib = joblib_options(launcher)
    if joblib is None:
        if launcher_of(config) == "basic" and (sweep.n_jobs or 1) > 1:
            raise ConfigError(
                "sweep.n_jobs: hydra/launcher=basic runs one trial at a time; use hydra/launcher=local, or more workers"
            )
        return sweep.n_jobs or 1
    if sweep.n_jobs is not None:
        joblib["n_jobs"] = sweep.n_jobs
    number = process_count(int(joblib["n_jobs"]))
    if number > 1:
        limit_threads(os.environ)
    return number


def create_runner(launcher: Launcher) -> TrialRunner:
    """Return the runner for a launcher."""
    if (pool := pool_of(launcher)) is not None:
        return pool
    if submitit_options(launcher) is not None:
        return SubmititRunner(launcher)
    connect_to_ray(launcher)  # before there are threads, since two of them must not do so at the same time
    return LauncherRunner(launcher)


class LauncherRunner:
    """A runner for launchers whose jobs end with this process."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        return self.launcher.launch(job_overrides, initial_job_idx)

    def cancel(self) -> None:
        """Do nothing: no job outlives this process."""


class SubmititRunner:
    """A runner for submitit's launchers. Their jobs outlive the worker, so it keeps their handles to cancel them.

    :param launcher: holds the options, and is the function of a job, on its node.
    """

    def __init__(self, launcher: Launcher) -> None:
        import submitit

        cluster, options = submitit_options(launcher) or ("", {})
        own = {f"{cluster}_{key}": options.pop(key) for key in ("max_num_timeout",) if key in options}
        self.launcher: Any = launcher
        self.executor = submitit.AutoExecutor(folder=options.pop("submitit_folder"), cluster=cluster, **own)
        shared = submitit_shared_options()
        named = {key if key in shared else f"{cluster}_{key}": value for key, value in options.items()}
        self.executor.update_parameters(**named)
        self.lock = threading.Lock()
        self.jobs: list[submitit.Job] = []
        self.state = Singleton.get_state()

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        with self.lock:
            started = [
                self.executor.submit(self.launcher, list(given), "hydra.sweep.dir", number, f"job_id_for_{number}", self.state)
                for number, given in enumerate(job_overrides, start=initial_job_idx)
            ]
            self.jobs = [job for job in self.jobs if not job.done()] + started
        return [job.results()[0] for job in started]

    def cancel(self) -> None:
        for job in self.jobs:
            job.cancel(check=False)
