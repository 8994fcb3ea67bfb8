"""``hydra/sweeper=design``: plan the rounds of a study, price them, and make what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from openr1.console import console as console_of
from openr1.runs.trial import finished_metrics
from sweeps.config import SweepConfig
from sweeps.cost.price import RunPrice, price, side_by_side
from sweeps.cost.table import show_price
from sweeps.limits.amount import Amount, total
from sweeps.limits.launch_limit import Allowed, check_confirmed, is_limited, times_matter
from sweeps.limits.spent import spent_by
from sweeps.planning.expansion import Expansion, Job
from sweeps.planning.loader import TrialLoader
from sweeps.status import plan_file
from sweeps.study.rounds import make, planned


def sweep(
    context: HydraContext, function: TaskFunction, config: DictConfig, params: Mapping[str, Any], arguments: list[str]
) -> list[list[JobReturn]]:
    """Make the rounds of a study until its design has no more to do, or its allowance is used.

    :returns: the results of each round, of the runs that were launched or done.
    :raises ConfigError: before anything is trained, for a run that cannot be, and for a price that is not confirmed.
    """
    loader = TrialLoader(context.config_loader)
    expansion = Expansion(config, loader, params, arguments)
    options = expansion.sweep
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=HydraContext(loader, context.callbacks), task_function=function, config=config
    )
    console = console_of(stderr=True)
    rounds: list[list[JobReturn]] = []
    before: list[Job] = []
    planned_before: list[dict] = []
    launched = Amount()
    while jobs := expansion.next():
        known = [*jobs, *expansion.foreseen()]
        plans = planned(known, expansion.config_of, before)
        runs, later = plans[: len(jobs)], plans[len(jobs) :]
        needed = times_matter(options, [run.config.compute for run in plans])
        found = price([runs, later], options, side_by_side(config), needed, console.print)
        show_price(found, console)
        check_confirmed(launched + found.amount, options)
        launched += total(run.amount for run in found.rounds[0])
        if not rounds:
            folder = Path(config.hydra.sweep.dir)
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(config, folder / "multirun.yaml")
        plan_file.write(found, known, plan_file.command_of("openr1 -m", config), expansion.adapts, planned_before)
        planned_before += plan_file.runs_of(found, known, planned_before)[: len(jobs)]
        before += jobs
        allowed = _allowed(options, launcher, found.rounds[0], jobs)
        results = make(runs, jobs, allowed.start if allowed else launcher.launch, sum(map(len, rounds)), console)
        rounds.append([result for result in results if result is not None])
        if allowed and allowed.stopped:
            left = sum(result is None for result in results)
            console.print(
                f"stopped: {left} of {len(runs)} runs are not made, since the next would take the study to {allowed.stopped} "
                "that sweep.allowance has; the same command with a larger one goes on",
                soft_wrap=True,
            )
            break
        expansion.tell([run.config for run in runs], [finished_metrics(run.config, run.stages) for run in runs])
    else:
        for line in expansion.report():
            console.print(line, soft_wrap=True)
    for result in (one for results in rounds for one in results):
        if result.status == JobStatus.FAILED:
            _ = result.return_value  # which raises its error
    return rounds


def _allowed(options: SweepConfig, launcher: Any, found: Sequence[RunPrice], jobs: Sequence[Job]) -> Allowed | None:
    if not is_limited(options.allowance):
        return None
    config = found[0].run.config
    prices = dict(zip(jobs, found, strict=True))
    return Allowed(options.allowance, launcher, prices, lambda without: spent_by(config.tracking, config.study, without))
