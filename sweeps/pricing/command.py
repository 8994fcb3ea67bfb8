"""``openr1-plan`` with the words of ``openr1 -m``: the price of what they would run. Only a calibration trains anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from openr1.terminal import console as console_of
from openr1.trial import done
from sweeps.expansion import Expansion
from sweeps.loader import TrialLoader
from sweeps.pricing import record
from sweeps.pricing.price import price, side_by_side
from sweeps.pricing.table import show_price
from sweeps.rounds import planned
from sweeps.sweeper import several_rounds


def show(
    loader: ConfigLoader, config: DictConfig, params: Mapping[str, Any], options: DictConfig | None, arguments: Sequence[str]
) -> None:
    """Print the price and write ``plan.json``.

    :param params: and ``options``: of the sweeper that is priced.
    :param arguments: of the command line.
    :raises ConfigError: as ``openr1 -m`` would.
    """
    words = [word for word in arguments if not word.startswith("hydra.sweeper._target_=")]
    command = record.command_of("openr1-plan", config)
    if options is not None:
        from sweeps.pricing.search_show import show_search

        show_search(TrialLoader(loader), config, params, options, words, command)
        return
    expansion = Expansion(config, TrialLoader(loader), params, words)
    console, errors = console_of(), console_of(stderr=True)
    before: list[dict] = []
    rounds, further = 0, several_rounds(expansion.sweep)
    while jobs := expansion.next():
        rounds += 1
        runs = planned(jobs, expansion.config_of)
        figures = [done(run.config, run.stages) for run in runs]
        finished = all(one is not None for one in figures)
        found = price(runs, expansion.sweep, side_by_side(config), expansion.sweep.calibrate, errors.print)
        record.write(found, jobs, command, further, before)
        if not (finished and further):
            break
        before += record.runs_of(found, jobs)
        expansion.tell([run.config for run in runs], figures)
    if not rounds:
        console.print("there is nothing to run")
        return
    if further:
        console.print(f"round {rounds}" + (": all that there is to do is done" if finished else ""), soft_wrap=True)
    show_price(found, console)
    if further and not finished:
        console.print("Further runs may follow, which depend on the results of these.", soft_wrap=True)
    written = record.path_of(runs[0].config.paths, runs[0].config.study)
    errors.print(f"wrote {written}", soft_wrap=True)
