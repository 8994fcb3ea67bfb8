"""``hydra/launcher=local``: joblib's launcher, with one thread for each numerical library and errors of one line."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn

from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher


class LocalLauncher(JoblibLauncher):
    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from sweeps.planning.concurrency import parallel_processes

        with parallel_processes():
            return super().launch(job_overrides, initial_job_idx)
