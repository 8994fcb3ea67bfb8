"""A named study: made by the first worker, joined or resumed by the others, refused to whoever means another one."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna import Study

from openr1.errors import ConfigError
from openr1.options import flatten
from openr1.tracking.names import check_folder
from sweeps.optuna.config import SearchConfig
from sweeps.optuna.pruners import pruner
from sweeps.optuna.samplers import FINITE, sampler
from sweeps.optuna.space import Space
from sweeps.optuna.storage import open_storage

IDENTITY = "identity"  # attribute of a study
# what does not change a result: where a run executes, how it is tracked, what it is called
ELSEWHERE = ("hydra", "sweep", "study", "paths", "tracking", "compute")
DECISIVE = ("compute.precision",)
MAKING_SECONDS = 30.0  # that the worker which makes a study has to fill it


def identity(sweep: SearchConfig, space: Space, config: DictConfig) -> dict[str, dict[str, str]]:
    """What a study is about: its space, the config of its trials but for the space, and its objective.

    :param config: composed without the sweeps.
    """
    values = OmegaConf.to_container(config, resolve=False)
    kept = {key: value for key, value in values.items() if key not in ELSEWHERE}
    flat = flatten(kept) | {key: OmegaConf.select(config, key) for key in DECISIVE}
    swept = [key.lstrip("+~").partition("@")[0].replace("/", ".") for key in space.axes]
    fixed = {key: value for key, value in flat.items() if not any(key == one or key.startswith(f"{one}.") for one in swept)}
    return {
        "space": {key: axis.describe() for key, axis in space.axes.items()},
        "fixed": {key: json.dumps(value, default=str) for key, value in fixed.items()},
        "objective": dict(zip(sweep.objectives, sweep.directions, strict=True)),
    }


def difference(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> str | None:
    """The first thing in which two identities differ, in words; None where they are the same."""
    for part in ("space", "objective", "fixed"):
        old, new = before.get(part, {}), now[part]
        for key in [*new, *(key for key in old if key not in new)]:
            if old.get(key) != new.get(key):
                return f"{key} was {old.get(key, 'not in it')}, and now is {new.get(key, 'not in it')}"
    return None


def open_study(sweep: SearchConfig, space: Space, about: dict[str, dict[str, str]]) -> Study:
    """The study of this name, made where there is none.

    :raises ConfigError: where a study of this name is about something else, or an option of the sweep is wrong.
    """
    known = _known(sweep, space)
    storage = open_storage(sweep.storage)
    options = {"sampler": sampler(sweep, space), "pruner": pruner(sweep)}
    try:
        study = optuna.create_study(storage=storage, study_name=sweep.name, directions=sweep.directions, **options)
        made = True
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=sweep.name, **options)
        made = False
    until = time.monotonic() + MAKING_SECONDS
    while not made and IDENTITY not in study.user_attrs and time.monotonic() < until:
        time.sleep(0.2)  # the worker that makes it has not filled it yet; one that was killed never will
    before = study.user_attrs.get(IDENTITY)
    if before is not None and (other := difference(before, about)):
        raise ConfigError(f"sweep.name: study {sweep.name!r} is there and is another one: {other}; choose another sweep.name")
    if before is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(sweep.objectives)
    if before is None or study.user_attrs.get("enqueued") != known:
        for params in known:
            study.enqueue_trial(params, skip_if_exists=True)
        study.set_user_attr("enqueued", known)
    if before is None:
        study.set_user_attr(IDENTITY, about)  # last: what has one is complete
    return study


def check(sweep: SearchConfig) -> None:
    """Refuse options that cannot be.

    :raises ConfigError: for the first.
    """
    check_folder(sweep.name, "sweep.name", nested=True)
    if len(sweep.directions) != len(sweep.objectives):
        raise ConfigError(f"sweep.direction: {len(sweep.directions)} for {len(sweep.objectives)} objectives")
    for direction in sweep.directions:
        if direction not in ("minimize", "maximize"):
            raise ConfigError(f"sweep.direction: {direction!r} is not one of minimize, maximize")
    if len(set(sweep.objectives)) < len(sweep.objectives):
        raise ConfigError("sweep.objective: the same figure twice")
    for key in ("n_trials", "heartbeat_seconds", "grace_seconds"):
        if getattr(sweep, key) <= 0:
            raise ConfigError(f"sweep.{key}: must be above 0")
    if sweep.grace_seconds < 2 * sweep.heartbeat_seconds:
        raise ConfigError(f"sweep.grace_seconds: must be at least two heartbeats of {sweep.heartbeat_seconds:g} s")
    if not 0 <= sweep.max_failure_rate <= 1:
        raise ConfigError("sweep.max_failure_rate: is a share, between 0 and 1")


def _known(sweep: SearchConfig, space: Space) -> list[dict[str, Any]]:
    """The configs to try first, checked against the space."""
    found = []
    for i, params in enumerate(sweep.enqueue):
        where = f"sweep.enqueue[{i}]"
        flat = flatten(OmegaConf.to_container(params) if isinstance(params, DictConfig) else params)
        for key, value in flat.items():
            if key not in space.axes:
                raise ConfigError(f"{where}: {key} is not swept; there are {', '.join(space.axes)}")
            if not space.axes[key].holds(value):
                raise ConfigError(f"{where}: {key}={value} is not in {space.axes[key].describe()}")
        if sweep.sampler in FINITE and len(flat) < len(space.axes):
            raise ConfigError(f"{where}: sweep.sampler={sweep.sampler} needs every axis of the space in it")
        found.append({key: space.axes[key].drawn(value) for key, value in flat.items()})
    return found
