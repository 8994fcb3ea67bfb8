"""``hydra/sweeper=optuna``: the space, the study and this worker of it, and what they found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from openr1.config.schema import Config
from openr1.console import console as console_of
from openr1.errors import ConfigError
from openr1.options import one_line
from sweeps.optuna import results
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.jobs import ON_THIS_MACHINE, at_once, jobs_of, launcher_of, terminated
from sweeps.optuna.price import limit_of
from sweeps.optuna.price_table import before_launch
from sweeps.optuna.space import Space, parse
from sweeps.optuna.spend_limit import SearchSpendLimit
from sweeps.optuna.storage import is_sqlite
from sweeps.optuna.study import check, identity, open_study
from sweeps.optuna.tally import Tally
from sweeps.optuna.trial_job import TrialJob
from sweeps.optuna.worker import Worker
from sweeps.planning.grammar import format_value
from sweeps.planning.loader import TrialLoader, trial_config


def sweep(
    context: HydraContext,
    function: TaskFunction,
    config: DictConfig,
    params: Mapping[str, Any],
    options: DictConfig,
    arguments: list[str],
) -> dict[str, Any]:
    """Run this worker to the end of the study, and write what the study has found so far.

    :param config: of the app, composed without the sweeps.
    :returns: what :func:`sweeps.optuna.results.summary` says.
    :raises ConfigError: before any trial, where the sweep cannot be.
    :raises RunError: where too many trials fail.
    """
    options = options_of(options)
    space = parse(params, arguments, config, context.config_loader)
    if "study" in config and config.study != options.name:
        space.fixed.append(f"study={format_value(options.name)}")  # the parent of its runs in MLflow
    context = HydraContext(TrialLoader(context.config_loader), context.callbacks)
    check_axes(space, config, context)
    check_tracking(config)
    study = open_study(options, space, identity(options, space, config))
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=TrialJob(function, options), config=config
    )
    n_jobs = at_once(options, config, launcher)
    folder = Path(str(config.hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    limit = limit_of(options, space)
    say = _say(options, limit)
    done = len(Tally.of(study).ended)
    say(f"{done} of {limit} trials done, {n_jobs} at once; storage {results._without_password(options.storage)}")
    warn(options, config, study, say)
    before_launch(options, space, config, context.config_loader, console_of(stderr=True))
    spend_limit = SearchSpendLimit(options.allowance, config_of(config, context))
    worker = Worker(study, space, options, jobs_of(launcher, n_jobs), n_jobs, limit, say, spend_limit)
    try:
        with terminated():
            worker.run()
    finally:
        found = finish(study, options, config, folder)
    say(_best_line(found, options))
    return found


def options_of(given: Mapping[str, Any] | DictConfig) -> SearchConfig:
    """The options of a sweep, with their types.

    :raises ConfigError: for the first that cannot be.
    """
    try:
        plain = OmegaConf.to_container(given, resolve=True) if isinstance(given, DictConfig) else dict(given)
        merged = OmegaConf.merge(OmegaConf.structured(SearchConfig), plain)
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ConfigError(f"sweep.{missing[0]}: no value is given")
        options = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise ConfigError(f"sweep.{one_line(error)}") from error
    check(options)
    return options


def config_of(config: DictConfig, context: HydraContext) -> Callable[[Sequence[str]], Config] | None:
    """What composes the config of a trial, checked; None where the app is another one."""
    if OmegaConf.get_type(config) is not Config:
        return None
    return partial(trial_config, context.config_loader, config)


def check_axes(space: Space, config: DictConfig, context: HydraContext) -> None:
    """Compose the ends or choices of every axis, so that a value that the config does not take is refused before any trial.

    :raises ConfigError: for the first.
    """
    first = {key: axis.probes()[0] for key, axis in space.axes.items()}
    compose = config_of(config, context) or partial(context.config_loader.load_sweep_config, config)
    for key, axis in space.axes.items():
        for value in axis.probes():
            try:
                compose(space.overrides(first | {key: value}))
            except (HydraException, OmegaConfBaseException, ConfigError) as error:
                raise ConfigError(f"{axis.override(value)}: {one_line(error)}") from error


def check_tracking(config: DictConfig) -> None:
    """Refuse a store that no trial can be tracked in; apps of others have none.

    :raises ConfigError: as :func:`openr1.tracking.mlflow.check_store` does.
    """
    if OmegaConf.get_type(config) is Config:
        from openr1.tracking.mlflow import check_store

        check_store(OmegaConf.to_object(config.tracking))


def warn(sweep: SearchConfig, config: DictConfig, study: Any, say: Callable[[str], None]) -> None:
    """A SQLite file is safe for the processes of one machine only."""
    if not is_sqlite(sweep.storage):
        return
    import socket

    hosts = {trial.user_attrs["worker"]["host"] for trial in study.get_trials(deepcopy=False) if "worker" in trial.user_attrs}
    others = sorted(hosts - {socket.gethostname()})
    if others or launcher_of(config) not in ON_THIS_MACHINE:
        launcher = f"hydra/launcher={launcher_of(config)} may use other machines"
        who = f"workers on {', '.join(others)} too" if others else launcher
        say(f"warning: sweep.storage is SQLite, unsafe on a network file system, and {who}: take postgresql or journal")


def finish(study: Any, sweep: SearchConfig, config: DictConfig, folder: Path) -> dict[str, Any]:
    """Write the results beside the study, and put them into its run in MLflow where the app has one."""
    ours = OmegaConf.get_type(config) is Config
    folder = Path(config.paths.studies) / sweep.name if ours else folder
    files = results.write(study, sweep, folder)
    found = results.summary(study, sweep)
    if ours:
        from openr1.tracking import mlflow as tracking

        settings = OmegaConf.to_object(config.tracking)
        tags = {"sweep.storage": found["storage"], "sweep.sampler": sweep.sampler, "sweep.objective": found["objective"]}
        tags |= {f"sweep.{key}": value for key, value in found["trials"].items()}
        metrics = {f"best_{sweep.objectives[0]}": found["best_value"]} if "best_value" in found else {}
        tracking.log_study(settings, sweep.name, files, metrics, tags)
    return found


def _say(sweep: SearchConfig, limit: int) -> Callable[[str], None]:
    return lambda line: print(f"{sweep.name}: {line}", file=sys.stderr, flush=True)


def _best_line(found: dict[str, Any], sweep: SearchConfig) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in found["trials"].items())
    if "best_value" in found:
        params = " ".join(f"{key}={value}" for key, value in found["best_evaluated_params"].items())
        return f"{counts}; best {sweep.objectives[0]} {found['best_value']:.6g} of trial {found['best_trial']}: {params}"
    return (
        f"{counts}; {len(found['solutions'])} on the Pareto front" if found.get("solutions") else f"{counts}; none is feasible"
    )
