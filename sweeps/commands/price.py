"""``openr1-plan price``: the price of the runs that ``openr1 -m`` would launch. Only a calibration trains anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from openr1.runs.trial import finished_metrics
from openr1.sweeps.config import require_search
from openr1.sweeps.cost.price import price_study
from openr1.sweeps.cost.table import show_price
from openr1.sweeps.planning.concurrency import runs_at_once
from openr1.sweeps.planning.loader import create_trial_loader
from openr1.sweeps.planning.plan import PlannedRun
from openr1.sweeps.status import plan_file
from openr1.sweeps.study.expansion import Expansion, Job
from openr1.sweeps.study.forecasts import register_forecasts
from openr1.sweeps.study.rounds import plan_round
from openr1.system.errors import ConfigError
from openr1.system.terminal import console as console_of


def show(
    loader: ConfigLoader,
    config: DictConfig,
    params: Mapping[str, Any],
    options: DictConfig | None,
    arguments: Sequence[str],
    forecast: str | None = None,
) -> None:
    """Print the price of a study or a search, and write ``plan.json``.

    :param params: of the sweeper that is priced.
    :param options: of a search of Optuna; None for a design.
    :param arguments: of the command line.
    :param forecast: the study from whose runs the planned ones are forecast; None for no forecast.
    :raises ConfigError: as ``openr1 -m`` raises it.
    """
    words = [word for word in arguments if not word.startswith("hydra.sweeper._target_=")]
    command = plan_file.command_line("openr1-plan", config)
    if options is not None:
        if forecast is not None:
            raise ConfigError("forecast: the runs of a search are not known before it starts; forecast those of a design")
        require_search(options)
        from openr1.sweeps.optuna.preview import preview_search

        preview_search(create_trial_loader(loader), config, params, options, words, command)
        return
    expansion = Expansion(config, create_trial_loader(loader), params, words)
    console, errors = console_of(), console_of(stderr=True)
    jobs: list[Job] = []
    rounds: list[list[PlannedRun]] = []
    finished = True
    while finished and (fresh := expansion.next()):
        later = expansion.known_later()
        plans = plan_round([*fresh, *later], expansion.config_of, jobs)
        runs, later_runs = plans[: len(fresh)], plans[len(fresh) :]
        metrics = [finished_metrics(run.config, run.stages) for run in runs]
        finished = None not in metrics
        jobs += fresh
        rounds.append(runs)
        if not finished:
            jobs += later
            rounds.append(later_runs)
        expansion.tell([run.config for run in runs], metrics)
    if not jobs:
        console.print("there is nothing to run")
        return
    price = price_study(rounds, expansion.sweep, runs_at_once(config), needed=True, say=errors.print)
    first = price.runs[0].run.config
    fingerprints = {stage.fingerprint for run in price.runs for stage in run.run.stages}
    studies = dict.fromkeys(run.run.config.study for run in price.runs)
    kept = {study: why for study in studies if (why := plan_file.begun_without(first.paths, study, fingerprints))}
    plan_file.write(price, jobs, command, expansion.adapts, keep=kept)
    show_price(price, console)
    if expansion.adapts:
        further = "Further runs may follow, which depend on the results of these."
        console.print("The study is complete." if finished else further, soft_wrap=True)
    for study in studies:
        path = plan_file.path_of(first.paths, study)
        errors.print(f"{path} stays as it is: {kept[study]}" if study in kept else f"wrote {path}", soft_wrap=True)
    if forecast is not None:
        errors.print(f"forecasting from the runs of {forecast}", soft_wrap=True)
        paths, sentences = register_forecasts([run.run for run in price.runs], forecast)
        for sentence in sentences:
            console.print(sentence, soft_wrap=True, highlight=False)
        errors.print(f"registered {len(paths)} forecast{'s' * (len(paths) > 1)} in {paths[0].parent}", soft_wrap=True)
