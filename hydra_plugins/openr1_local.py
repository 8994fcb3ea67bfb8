"""``hydra/launcher=local``: joblib's launcher, with one thread for each numerical library and errors of one line."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn

from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher


class LocalLauncher(JoblibLauncher):
    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from openr1.sweeps.study.process_pool import pool_of

        if pool := pool_of(self):
            return pool.launch(job_overrides, initial_job_idx)
        return super().launch(job_overrides, initial_job_idx)
