"""Trials in the hands of Hydra's launchers: each is started when another one ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from openr1.errors import ConfigError
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.worker import Jobs
from sweeps.planning.concurrency import limit_threads, process_count

ON_THIS_MACHINE = ("basic", "joblib", "local", "submitit_local")  # launchers


def launcher_of(config: DictConfig) -> str:
    """The name of ``hydra/launcher=``."""
    return str(config.hydra.runtime.choices.get("hydra/launcher", "basic"))


def at_once(sweep: SearchConfig, config: DictConfig, launcher: Launcher) -> int:
    """How many trials this worker has at once. What runs in this process runs alone.

    :raises ConfigError: where the launcher cannot have several.
    """
    joblib = getattr(launcher, "joblib", None)
    if joblib is None:
        if launcher_of(config) == "basic" and (sweep.n_jobs or 1) > 1:
            raise ConfigError(
                "sweep.n_jobs: hydra/launcher=basic has one trial at a time; take local, or run the command again"
            )
        return sweep.n_jobs or 1
    if sweep.n_jobs is not None:
        joblib["n_jobs"] = sweep.n_jobs
    number = process_count(int(joblib["n_jobs"]))
    if number > 1:
        limit_threads(os.environ)
    return number


def jobs_of(launcher: Launcher, n_jobs: int) -> Jobs:
    """What runs the trials of a worker."""
    if getattr(launcher, "joblib", None) is not None and n_jobs > 1:
        from sweeps.study.process_pool import ProcessPool

        return ProcessPool(launcher, n_jobs)
    if hasattr(launcher, "_EXECUTOR"):
        return SubmititJobs(launcher)
    if hasattr(launcher, "ray_cfg"):
        from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray

        start_ray(launcher.ray_cfg.init)  # which two threads must not do at the same time
    return LauncherJobs(launcher)


class LauncherJobs:
    """Those of a launcher whose jobs end with this process."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        return self.launcher.launch(job_overrides, initial_job_idx)

    def cancel(self) -> None:
        """Nothing is left to end."""


class SubmititJobs:
    """Those of submitit's launchers. They outlive the worker that waits for them, so it keeps their handles to cancel them.

    :param launcher: whose options they have; it is also what runs a job, on its node.
    """

    def __init__(self, launcher: Launcher) -> None:
        import submitit

        from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf

        self.launcher, kind = launcher, launcher._EXECUTOR
        options = dict(launcher.params)
        own = {f"{kind}_{key}": options.pop(key) for key in ("max_num_timeout",) if key in options}
        self.executor = submitit.AutoExecutor(folder=options.pop("submitit_folder"), cluster=kind, **own)
        shared = OmegaConf.structured(BaseQueueConf)
        self.executor.update_parameters(**{key if key in shared else f"{kind}_{key}": value for key, value in options.items()})
        self.lock = threading.Lock()
        self.jobs: list[submitit.Job] = []
        self.state = Singleton.get_state()

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        with self.lock:
            started = [
                self.executor.submit(self.launcher, list(one), "hydra.sweep.dir", number, f"job_id_for_{number}", self.state)
                for number, one in enumerate(job_overrides, start=initial_job_idx)
            ]
            self.jobs = [job for job in self.jobs if not job.done()] + started
        return [job.results()[0] for job in started]

    def cancel(self) -> None:
        for job in self.jobs:
            job.cancel(check=False)


@contextmanager
def terminated() -> Iterator[None]:
    """In the block SIGTERM is an interrupt, after which what runs is ended and put back."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
