"""``hydra/launcher=local``: joblib's launcher with the plan of the study before, and its progress while, trials run."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn

from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher


class LocalLauncher(JoblibLauncher):
    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from sweeps.local import launch

        return launch(self, self.start, job_overrides, initial_job_idx)

    def start(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """As joblib's launcher, without a plan: for a sweeper that has one of its own."""
        return super().launch(job_overrides, initial_job_idx)
