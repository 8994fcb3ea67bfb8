"""``openr1-plan`` with the words of ``openr1 -m``: the price of what they would run. Only a calibration trains anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from openr1.console import console as console_of
from openr1.runs.trial import finished_metrics
from sweeps.cost.price import price, side_by_side
from sweeps.cost.table import show_price
from sweeps.planning.expansion import Expansion, Job
from sweeps.planning.loader import TrialLoader
from sweeps.planning.plan import PlannedRun
from sweeps.status import plan_file
from sweeps.study.rounds import planned


def show(
    loader: ConfigLoader, config: DictConfig, params: Mapping[str, Any], options: DictConfig | None, arguments: Sequence[str]
) -> None:
    """Print the price and write ``plan.json``.

    :param params: and ``options``: of the sweeper that is priced.
    :param arguments: of the command line.
    :raises ConfigError: as ``openr1 -m`` would.
    """
    words = [word for word in arguments if not word.startswith("hydra.sweeper._target_=")]
    command = plan_file.command_of("openr1-plan", config)
    if options is not None:
        from sweeps.optuna.terminal import show_search

        show_search(TrialLoader(loader), config, params, options, words, command)
        return
    expansion = Expansion(config, TrialLoader(loader), params, words)
    console, errors = console_of(), console_of(stderr=True)
    jobs: list[Job] = []
    rounds: list[list[PlannedRun]] = []
    finished = True
    while finished and (fresh := expansion.next()):
        later = expansion.foreseen()
        plans = planned([*fresh, *later], expansion.config_of, jobs)
        runs, after = plans[: len(fresh)], plans[len(fresh) :]
        figures = [finished_metrics(run.config, run.stages) for run in runs]
        finished = None not in figures
        jobs += fresh
        rounds.append(runs)
        expansion.tell([run.config for run in runs], figures)
    if not jobs:
        console.print("there is nothing to run")
        return
    if not finished:
        jobs += later
        rounds.append(after)
    found = price(rounds, expansion.sweep, side_by_side(config), needed=True, say=errors.print)
    plan_file.write(found, jobs, command, expansion.adapts)
    show_price(found, console)
    if expansion.adapts:
        further = "Further runs may follow, which depend on the results of these."
        console.print("All that there is to do is done." if finished else further, soft_wrap=True)
    first = found.runs[0].run.config
    errors.print(f"wrote {plan_file.path_of(first.paths, first.study)}", soft_wrap=True)
