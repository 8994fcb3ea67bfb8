"""``hydra/sweeper=optuna``: the space, the study, this worker of it, and the results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from optuna import Study

from openr1.config.schema import Config
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.plan import price_before_launch, trial_limit
from openr1.sweeps.optuna.results import summarise, write_results
from openr1.sweeps.optuna.space import parse_space
from openr1.sweeps.optuna.spend_limit import SearchSpendLimit
from openr1.sweeps.optuna.storage import is_sqlite, open_storage, without_password
from openr1.sweeps.optuna.study import open_study, study_identity
from openr1.sweeps.optuna.trial_counts import TrialCounts
from openr1.sweeps.optuna.trial_runners import LOCAL_LAUNCHERS, at_once, create_runner, launcher_of
from openr1.sweeps.optuna.trial_task import TrialTask
from openr1.sweeps.optuna.validation import check_search, config_composer, options_of
from openr1.sweeps.optuna.worker import Worker
from openr1.sweeps.planning.at_work import at_work
from openr1.sweeps.planning.grammar import format_value
from openr1.sweeps.planning.loader import create_trial_loader
from openr1.system.faults import writing
from openr1.system.terminal import console as console_of
from openr1.tracking.options import TrackingConfig


def sweep(
    context: HydraContext,
    function: TaskFunction,
    config: DictConfig,
    params: Mapping[str, Any],
    given: Mapping[str, Any] | DictConfig,
    arguments: list[str],
) -> dict[str, Any]:
    """Run this worker to the end of the study, and write the results so far.

    :param config: of the app, composed without the sweeps.
    :param given: options of the search.
    :returns: the summary of :func:`openr1.sweeps.optuna.results.summarise`.
    :raises ConfigError: before any trial, where the search is not valid.
    :raises RunError: where too many trials fail.
    """
    options = options_of(given)
    space = parse_space(params, arguments, config, context.config_loader)
    if "study" in config and config.study != options.name:
        space.fixed.append(f"study={format_value(options.name)}")  # the parent of its runs in MLflow
    context = HydraContext(create_trial_loader(context.config_loader), context.callbacks)
    check_search(options, space, config, context.config_loader)
    say = _line_printer(options.name)
    open_storage(options.storage).say = say
    study = open_study(options, space, study_identity(options, space, config))
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=TrialTask(function, options), config=config
    )
    n_jobs = at_once(options, config, launcher)
    folder = Path(str(config.hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    limit = trial_limit(options, space)
    done = len(TrialCounts.of(study).ended)
    say(f"{done} of {limit} trials done, {n_jobs} at once; storage {without_password(options.storage)}")
    warn_of_shared_sqlite(options, config, study, say)
    price_before_launch(options, space, config, context.config_loader, console_of(stderr=True))
    spend_limit = SearchSpendLimit(options.allowance, config_composer(config, context.config_loader))
    worker = Worker(study, space, options, create_runner(launcher), n_jobs, limit, say, spend_limit)
    is_openr1 = OmegaConf.get_type(config) is Config
    with at_work(Path(config.paths.studies) / options.name) if is_openr1 else nullcontext():
        try:
            with writing(without_password(options.storage)):
                worker.work()
        finally:
            summary = save_results(study, options, config, folder)
    say(_best_line(summary, options))
    return summary


def _tracking(config: DictConfig) -> TrackingConfig:
    return cast(TrackingConfig, OmegaConf.to_object(config.tracking))


def warn_of_shared_sqlite(sweep: SearchConfig, config: DictConfig, study: Study, say: Callable[[str], None]) -> None:
    """Warn where workers on several machines may share a SQLite file, which is safe for the processes of one machine only."""
    if not is_sqlite(sweep.storage):
        return
    import socket

    hosts = {trial.user_attrs["worker"]["host"] for trial in study.get_trials(deepcopy=False) if "worker" in trial.user_attrs}
    others = sorted(hosts - {socket.gethostname()})
    if others or launcher_of(config) not in LOCAL_LAUNCHERS:
        launcher = f"hydra/launcher={launcher_of(config)} may use other machines"
        reason = f"there are workers on {', '.join(others)}" if others else launcher
        say(f"warning: sweep.storage is SQLite, unsafe on a network file system, and {reason}: use postgresql or journal")


def save_results(study: Study, sweep: SearchConfig, config: DictConfig, folder: Path) -> dict[str, Any]:
    """Write the results into the study's folder, and log them to its run in MLflow where the app is ``openr1``.

    :param folder: for the results of another app.
    """
    is_openr1 = OmegaConf.get_type(config) is Config
    folder = Path(config.paths.studies) / sweep.name if is_openr1 else folder
    files = write_results(study, sweep, folder)
    summary = summarise(study, sweep)
    if is_openr1:
        from openr1.tracking import mlflow as tracking
        from openr1.tracking.study_run import describe_study

        tags = {"sweep.storage": summary["storage"], "sweep.sampler": sweep.sampler, "sweep.objective": summary["objective"]}
        tags |= {f"sweep.{key}": value for key, value in summary["trials"].items()}
        metrics = {f"best_{sweep.objectives[0]}": summary["best_value"]} if "best_value" in summary else {}
        tracking.log_study(_tracking(config), sweep.name, files, metrics, tags)
        describe_study(_tracking(config).uri, sweep.name)
    return summary


def _line_printer(name: str) -> Callable[[str], None]:
    return lambda line: print(f"{name}: {line}", file=sys.stderr, flush=True)


def _best_line(summary: dict[str, Any], sweep: SearchConfig) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in summary["trials"].items())
    if "best_value" in summary:
        params = " ".join(f"{key}={value}" for key, value in summary["best_evaluated_params"].items())
        return f"{counts}; best {sweep.objectives[0]} {summary['best_value']:.6g} of trial {summary['best_trial']}: {params}"
    if summary.get("solutions"):
        return f"{counts}; {len(summary['solutions'])} on the Pareto front"
    return f"{counts}; none is feasible"
