"""The task of one run of a study, in whatever process a launcher has it run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from openr1.sweeps.planning.worker_process import exit_with
from openr1.system.processes import ProcessIdentity, current_process
from openr1.tracking.observer import RunObserver, observing


@dataclass
class WatchedTask:
    """A task function that takes the place of the app's own in a launcher, and ends with the study, if that is on its machine.

    :ivar study: the process that waits for it.
    :ivar names: of the runs, by their overrides; launchers copy the task when they launch it.
    """

    function: Callable[[DictConfig], Any]
    study: ProcessIdentity = field(default_factory=current_process)
    names: dict[tuple[str, ...], str] = field(default_factory=dict)

    def __call__(self, config: DictConfig) -> Any:
        exit_with(self.study)
        name = self.names.get(tuple(HydraConfig.get().overrides.task), "")
        with observing(RunObserver(label=name)) if name else nullcontext():
            return self.function(config)
