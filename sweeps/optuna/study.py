"""A named study: created by the first worker, joined or resumed by others, refused to a command that means another study."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from optuna import Study

from openr1.options import flatten
from openr1.sweeps.optuna.config import SearchConfig
from openr1.sweeps.optuna.pruners import create_pruner
from openr1.sweeps.optuna.samplers import FINITE, create_sampler
from openr1.sweeps.optuna.space import Space
from openr1.sweeps.optuna.storage import open_storage
from openr1.system.errors import ConfigError

IDENTITY = "identity"  # user attribute of a study
ENQUEUED = "enqueued"  # user attribute of a study: the configs of sweep.enqueue that are in its queue
# keys that change no result: where a run executes, how it is tracked, what it is called
IRRELEVANT = ("hydra", "sweep", "study", "paths", "tracking", "compute")
RELEVANT = ("compute.precision",)  # the exceptions
CREATION_SECONDS = 30.0  # for the worker that creates a study to set its identity

Identity = Mapping[str, Mapping[str, str]]


def study_identity(sweep: SearchConfig, space: Space, config: DictConfig) -> Identity:
    """Return all that makes a study this one: its space, the config that its trials share, and its objective.

    :param config: composed without the sweeps.
    """
    values: Any = OmegaConf.to_container(config, resolve=False)
    kept = {key: value for key, value in values.items() if key not in IRRELEVANT}
    flat = flatten(kept) | {key: OmegaConf.select(config, key) for key in RELEVANT}
    swept = [key.lstrip("+~").partition("@")[0].replace("/", ".") for key in space.axes]
    fixed = {key: value for key, value in flat.items() if not any(key == axis or key.startswith(f"{axis}.") for axis in swept)}
    return {
        "space": {key: axis.describe() for key, axis in space.axes.items()},
        "fixed": {key: json.dumps(value, default=str) for key, value in fixed.items()},
        "objective": dict(zip(sweep.objectives, sweep.directions, strict=True)),
    }


def describe_difference(before: Identity, now: Identity) -> str | None:
    """Return the first difference of two identities in words; None where they are the same."""
    for part in ("space", "objective", "fixed"):
        old, new = before.get(part, {}), now[part]
        for key in [*new, *(key for key in old if key not in new)]:
            if old.get(key) != new.get(key):
                return f"{key} was {old.get(key, 'not in it')}, and now is {new.get(key, 'not in it')}"
    return None


def open_study(sweep: SearchConfig, space: Space, identity: Identity) -> Study:
    """Open the study of this name, or create it.

    :raises ConfigError: where a study of this name has another identity, or an option of the sweep is wrong.
    """
    enqueued = _enqueued_params(sweep, space)
    storage = open_storage(sweep.storage)
    options: dict[str, Any] = {"sampler": create_sampler(sweep, space), "pruner": create_pruner(sweep)}
    try:
        study = optuna.create_study(storage=storage, study_name=sweep.name, directions=sweep.directions, **options)
        created = True
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=sweep.name, **options)
        created = False
    until = time.monotonic() + CREATION_SECONDS
    while not created and IDENTITY not in study.user_attrs and time.monotonic() < until:
        time.sleep(0.2)  # the worker that creates it is not done yet; one that was killed never will be
    stored = study.user_attrs.get(IDENTITY)
    if stored is not None and (difference := describe_difference(stored, identity)):
        raise ConfigError(f"sweep.name: study {sweep.name!r} exists and differs: {difference}; choose another sweep.name")
    if stored is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(sweep.objectives)
    if stored is None or study.user_attrs.get(ENQUEUED) != enqueued:
        for params in enqueued:
            study.enqueue_trial(params, skip_if_exists=True)
        study.set_user_attr(ENQUEUED, enqueued)
    if stored is None:
        study.set_user_attr(IDENTITY, identity)  # last, so that a study that has one is complete
    return study


def _enqueued_params(sweep: SearchConfig, space: Space) -> list[dict[str, Any]]:
    """Return the configs of ``sweep.enqueue`` as parameters of trials.

    :raises ConfigError: for one that is not in the space.
    """
    enqueued = []
    for i, params in enumerate(sweep.enqueue):
        where = f"sweep.enqueue[{i}]"
        given: Any = OmegaConf.to_container(params) if isinstance(params, DictConfig) else params
        flat = flatten(given)
        for key, value in flat.items():
            if key not in space.axes:
                raise ConfigError(f"{where}: {key} is not swept; there are {', '.join(space.axes)}")
            if not space.axes[key].contains(value):
                raise ConfigError(f"{where}: {key}={value} is not in {space.axes[key].describe()}")
        if sweep.sampler in FINITE and len(flat) < len(space.axes):
            raise ConfigError(f"{where}: sweep.sampler={sweep.sampler} needs a value of every axis, {', '.join(space.axes)}")
        enqueued.append({key: space.axes[key].convert(value) for key, value in flat.items()})
    return enqueued
