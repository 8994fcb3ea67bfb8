"""The task of one run of a study, in whatever process a launcher has it run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig

from sweeps.planning.worker_process import WorkerProcess, current_process, exit_with


@dataclass
class WatchedTask:
    """A task function that takes the place of the app's own in a launcher, and ends with the study, if that is on its machine.

    :ivar study: the process that waits for it.
    """

    function: Callable[[DictConfig], Any]
    study: WorkerProcess = field(default_factory=current_process)

    def __call__(self, config: DictConfig) -> Any:
        exit_with(self.study)
        return self.function(config)
