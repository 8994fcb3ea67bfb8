"""``hydra/sweeper=design``: plan the rounds of a study, price them, and make what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from openr1.terminal import console as console_of
from openr1.trial import done
from sweeps.expansion import Expansion
from sweeps.loader import TrialLoader
from sweeps.plan import show_plan
from sweeps.rounds import make, planned


def sweep(
    context: HydraContext, function: TaskFunction, config: DictConfig, params: Mapping[str, Any], arguments: list[str]
) -> list[list[JobReturn]]:
    """Make the rounds of a study until its design has no more to do.

    :returns: the results of each round.
    :raises ConfigError: before anything is trained, for a run that cannot be.
    """
    loader = TrialLoader(context.config_loader)
    expansion = Expansion(config, loader, params, arguments)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=HydraContext(loader, context.callbacks), task_function=function, config=config
    )
    console = console_of(stderr=True)
    rounds: list[list[JobReturn]] = []
    while jobs := expansion.next():
        runs = planned(jobs, expansion.config_of)
        show_plan(runs, console)
        if not rounds:
            folder = Path(config.hydra.sweep.dir)
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(config, folder / "multirun.yaml")
        rounds.append(make(runs, jobs, launcher.launch, sum(map(len, rounds)), console))
        expansion.tell([run.config for run in runs], [done(run.config, run.stages) for run in runs])
    for line in expansion.report():
        console.print(line, soft_wrap=True)
    for result in (one for results in rounds for one in results):
        if result.status == JobStatus.FAILED:
            _ = result.return_value  # which raises its error
    return rounds
