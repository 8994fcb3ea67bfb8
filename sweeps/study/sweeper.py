"""``hydra/sweeper=design``: plans the rounds of a study, prices them, and runs what is missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from openr1.runs.trial import finished_metrics
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.cost.price import RunPrice, price_study, times_are_needed
from openr1.sweeps.cost.table import show_price
from openr1.sweeps.limits.allowance import require_confirmation
from openr1.sweeps.limits.amount import Amount, total
from openr1.sweeps.limits.spend_limit import SpendLimit
from openr1.sweeps.limits.spent import spent_by
from openr1.sweeps.planning.at_work import at_work
from openr1.sweeps.planning.concurrency import runs_at_once
from openr1.sweeps.planning.loader import create_trial_loader
from openr1.sweeps.status import plan_file
from openr1.sweeps.study.expansion import Expansion, Job
from openr1.sweeps.study.limited_launch import LimitedLauncher
from openr1.sweeps.study.process_pool import pool_of
from openr1.sweeps.study.rounds import plan_round, run_round
from openr1.sweeps.study.watched_task import WatchedTask
from openr1.system.errors import ConfigError, StoreError
from openr1.system.faults import writing
from openr1.system.terminal import console as console_of


def sweep(
    context: HydraContext, function: TaskFunction, config: DictConfig, params: Mapping[str, Any], arguments: list[str]
) -> list[list[JobReturn]]:
    """Run the rounds of a study until its design is complete or its allowance is used.

    :returns: the results of each round, of the runs that were launched or done.
    :raises ConfigError: before anything is trained, for an impossible run, and for a price that is not confirmed.
    """
    loader = create_trial_loader(context.config_loader)
    expansion = Expansion(config, loader, params, arguments)
    options = expansion.sweep
    task = WatchedTask(function)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=HydraContext(loader, context.callbacks), task_function=task, config=config
    )
    console = console_of(stderr=True)
    folder = Path(config.hydra.sweep.dir)
    rounds: list[list[JobReturn]] = []
    before: list[Job] = []
    written: list[dict[str, Any]] = []  # what plan.json says of the runs of earlier rounds
    launched, studies = Amount(), set[tuple[str, str]]()
    with ExitStack() as working:
        while jobs := expansion.next():
            known = [*jobs, *expansion.known_later()]
            plans = plan_round(known, expansion.config_of, before)
            runs, later = plans[: len(jobs)], plans[len(jobs) :]
            needed = times_are_needed(options, [run.config.compute for run in plans])
            price = price_study([runs, later], options, runs_at_once(config), needed, console.print)
            show_price(price, console)
            require_confirmation(launched + price.amount, options.ask_above, options.confirm)
            launched += total(run.amount for run in price.rounds[0])
            if not rounds:
                with writing(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                    OmegaConf.save(config, folder / "multirun.yaml")
            plan_file.write(price, known, plan_file.command_line("openr1 -m", config), expansion.adapts, written)
            for one in {run.config.study: run.config for run in runs}.values():
                if (one.tracking.uri, one.study) not in studies:  # not once more in each round
                    working.enter_context(at_work(Path(one.paths.studies) / one.study))
                plan_file.track(one.tracking, one.paths, one.study)
            written += plan_file.entries_of(price, known, written)[: len(jobs)]
            before += jobs
            studies |= {(run.config.tracking.uri, run.config.study) for run in runs}
            task.names |= {tuple(filter_overrides(job)): run.name for job, run in zip(jobs, runs, strict=True)}
            limited = _limited_launcher(options, launcher, price.rounds[0], jobs)
            launch = (limited or pool_of(launcher) or launcher).launch
            results = run_round(runs, jobs, launch, sum(map(len, rounds)), console)
            rounds.append([result for result in results if result is not None])
            if limited and limited.stopped:
                count = sum(result is None for result in results)
                console.print(
                    f"stopped: {count} of {len(runs)} runs did not start, since the next would take the study to "
                    f"{limited.stopped} that sweep.allowance has; resume with the same command and a larger allowance",
                    soft_wrap=True,
                )
                break
            expansion.tell([run.config for run in runs], [finished_metrics(run.config, run.stages) for run in runs])
        else:
            for line in expansion.report():
                console.print(line, soft_wrap=True)
    for uri, name in studies:
        describe(uri, name)
    for result in (result for results in rounds for result in results):
        if result.status == JobStatus.FAILED:
            _ = result.return_value  # raises the error of the run
    return rounds


def describe(uri: str, study: str) -> None:
    """Write what a study came to into its run in MLflow; a store that refuses it is a warning, since the runs are complete."""
    from openr1.tracking.study_run import describe_study

    try:
        describe_study(uri, study)
    except (StoreError, ConfigError) as error:
        print(f"warning: {error}; the study's own run is not complete", file=sys.stderr)


def _limited_launcher(
    options: SweepConfig, launcher: Launcher, prices: Sequence[RunPrice], jobs: Sequence[Job]
) -> LimitedLauncher | None:
    limit = SpendLimit(options.allowance)
    if not limit.is_set:
        return None
    config = prices[0].run.config
    by_job = dict(zip(jobs, prices, strict=True))
    return LimitedLauncher(limit, launcher, by_job, lambda without: spent_by(config.tracking, config.study, without))
