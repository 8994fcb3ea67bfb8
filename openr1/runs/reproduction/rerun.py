"""Reruns of finished runs, each in a store of its own, so that nothing of it is found and left out.

What a run takes, such as the model of an earlier stage, is linked from where it is, or made again by a rerun of its maker.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from openr1.config.recipe import RecipeStep
from openr1.config.schema import Config
from openr1.data.hashing import digest
from openr1.runs import record
from openr1.runs.plan import run_steps
from openr1.runs.record import RunRecord
from openr1.runs.reproduction.comparison import Comparison, compare
from openr1.runs.reproduction.differences import Difference, config_differences, differences
from openr1.runs.reproduction.origins import Origin
from openr1.runs.reproduction.overrides import with_overrides
from openr1.runs.trial import run_trial
from openr1.system.artifacts import NAME, Store
from openr1.system.errors import ConfigError, RunError
from openr1.tracking import mlflow as tracking
from openr1.tracking.names import short
from openr1.tracking.observer import RunObserver, observing
from openr1.tracking.reading import read_run
from openr1.tracking.reruns import link_rerun

FOLDER = "reproductions"  # in the outputs folder
RESULT = "comparison.json"  # in the folder of a reproduction that is complete
MOST_LETTERS = 60  # of the name of a study in that of its reproduction
PATHS = ("path", "checkpoint", "model")  # keys that hold the path of a file or a folder, which may be relative
INPUT_KEYS = {"model": "model.checkpoint", "trunk": "stage.trunk", "answers": "stage.answers"}


@dataclass(frozen=True)
class Place:
    """The place of a reproduction.

    :ivar folder: of its artifacts and records.
    :ivar uri: of the store that tracks it.
    """

    outputs: Path
    folder: Path
    uri: str

    @property
    def study(self) -> str:
        """The study that its runs are tracked in."""
        return f"{FOLDER}-{self.folder.name}"

    @property
    def store(self) -> Store:
        return Store(self.folder / "artifacts")

    def begin(self) -> None:
        """Make the folder, and hold it for this process.

        :raises ConfigError: if another process works in it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise ConfigError(f"{self.folder}: another process makes this reproduction") from error
        HELD.append(lock)


HELD: list[FileLock] = []  # until the process ends


def place_of(key: str, overrides: Sequence[str], outputs: Path, uri: str) -> Place:
    """Return a fresh place, or that of the same reproduction if it was interrupted, which then goes on."""
    name = short(key.replace("/", "-"), MOST_LETTERS)
    if overrides:
        name += f"-{digest(list(overrides))[:6]}"
    root = outputs.absolute() / FOLDER
    left = [path for path in sorted(root.glob(f"{name}-????????-??????*")) if not (path / RESULT).exists()]
    stamp = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    fresh = next(path for n in range(1, 10_000) if not (path := root / (stamp if n == 1 else f"{stamp}-{n}")).exists())
    return Place(outputs.absolute(), left[-1] if left else fresh, uri)


@dataclass(frozen=True)
class PlannedRerun:
    """A rerun that is known to be possible, before it is made.

    :ivar steps: its stages, with their fingerprints.
    """

    original: RunRecord
    config: Config
    steps: list[RecipeStep]
    differences: list[Difference]
    changed: list[str] = field(default_factory=list)


def plan_rerun(original: RunRecord, place: Place, overrides: Sequence[str]) -> PlannedRerun:
    """Prepare the rerun of a run, without making anything.

    :raises ConfigError: for an impossible override, or data that are not there any more.
    """
    resolved = _relocated(original, place)
    config = with_overrides(resolved, overrides)
    changed = config_differences(with_overrides(resolved, []), config) if overrides else []
    steps = list(run_steps(config))
    return PlannedRerun(original, config, steps, differences(original, steps, tracking.environment()), changed)


class Reruns:
    """The reruns of one reproduction, which share a store.

    :param plans: of all runs that are asked for, by the artifacts of their originals.
    """

    def __init__(self, place: Place, origins: Sequence[Origin], plans: Sequence[PlannedRerun]) -> None:
        self.place, self.origins, self.plans = place, origins, list(plans)
        self.makers = {stage.artifact_name: plan for plan in plans for stage in plan.original.stages}
        self.comparisons: dict[str, Comparison] = {}  # by the fingerprint of the original

    def run(self, plan: PlannedRerun) -> Comparison:
        """Rerun a run, after those that it takes something from, and compare it with its original.

        :raises ConfigError: if the run is impossible.
        :raises RunError: if it cannot go on.
        """
        original = plan.original
        if known := self.comparisons.get(original.fingerprint):
            return known
        for name in _artifacts_taken(plan):
            self._provide(name, original)
        with observing(RunObserver({"reproduces": original.run_id or original.name})):
            trial = run_trial(plan.config, f"reproduces {original.run_id or original.name}")
        now = record.read(trial.record)
        tracked = {name: read_run(self.place.uri, stage.run_id).metrics for name, stage in trial.stages.items()}
        comparison = Comparison(
            original.name,
            compare(original, now, tracked),
            [str(difference) for difference in plan.differences],
            plan.changed,
            run_id=trial.run_id,
            original_run_id=original.run_id,
        )
        self.comparisons[original.fingerprint] = comparison
        self._link(comparison)
        return comparison

    def _provide(self, name: str, original: RunRecord) -> None:
        """Put an artifact that a run takes into the store of the reproduction.

        :raises ConfigError: if it is gone and cannot be made again.
        """
        target = self.place.store.root / name
        plan = self.makers.get(name)
        if plan and plan.original.fingerprint != original.fingerprint:
            self.run(plan)
        if target.exists():
            return
        for folder in dict.fromkeys(path for origin in self.origins for path in origin.stores()):
            if Store(folder).get(name):
                target.parent.mkdir(parents=True, exist_ok=True)
                os.symlink((folder / name).absolute(), target, target_is_directory=True)
                return
        maker = next((run for origin in self.origins if (run := origin.maker(name))), None)
        if maker is None:
            raise ConfigError(f"{original.name}: takes {name}, which is gone, and no run is known that made it")
        print(f"{name} is gone; its maker, {maker.name}, is rerun first", flush=True)
        plan = plan_rerun(maker, self.place, [])
        made = f"{plan.steps[-1].config.stage.kind}-{plan.steps[-1].fingerprint}"
        if made != name:
            why = "; ".join(map(str, plan.differences)) or "its config means something else to this version"
            raise ConfigError(f"{original.name}: takes {name}, which is gone and cannot be made again: {why}")
        print(f"{maker.name}: {self.run(plan).verdict()}", flush=True)

    def _link(self, comparison: Comparison) -> None:
        """Tag the tracked runs of the original and of the rerun with each other."""
        pairs = [(comparison.original_run_id, comparison.run_id)]
        pairs += [(stage.original_run_id, stage.run_id) for stage in comparison.stages]
        outcome = "the same" if comparison.is_same else "overrides" if comparison.config else "differs"
        for original, now in dict.fromkeys(pairs):
            if now:
                link_rerun(self.place.uri, original, now, outcome)


def _artifacts_taken(plan: PlannedRerun) -> list[str]:
    """Return the names of the artifacts that a run takes and does not make itself."""
    made = {f"{step.config.stage.kind}-{step.fingerprint}" for step in plan.steps}
    names = [value for step in plan.steps for value in step.inputs.values() if NAME.fullmatch(value)]
    return [name for name in dict.fromkeys(names) if name not in made]


def _relocated(original: RunRecord, place: Place) -> dict[str, Any]:
    """Return the config of a run in a place of its own: artifacts by name, data where they were."""
    config = dict(original.config)
    directory = next((stage.environment.get("directory") for stage in original.stages if stage.environment), None)
    config = _with_data_where_they_were(config, directory)
    if original.recipe is None:
        config = _with_named_inputs(config, original.stages[0].inputs)
    outputs, folder = str(place.outputs), str(place.folder)
    config["study"] = place.study
    config["paths"] = {"outputs": outputs, "artifacts": f"{folder}/artifacts", "cache": f"{outputs}/cache", "studies": folder}
    experiment = config["tracking"].get("experiment", "openr1")
    served = not place.uri.startswith("sqlite:///")
    config["tracking"] = {
        "uri": place.uri,
        "artifacts": None if served else f"{outputs}/mlartifacts",
        "experiment": experiment,
    }
    return config


def _with_named_inputs(config: dict[str, Any], inputs: dict[str, str]) -> dict[str, Any]:
    """Return a config of one stage whose inputs are the artifacts that its record names, whatever folders it gives."""
    config = {**config, "model": dict(config["model"]), "stage": dict(config["stage"])}
    for name, value in inputs.items():
        if not NAME.fullmatch(value):
            continue
        group, _, entry = name.partition(".")
        if name in INPUT_KEYS:
            section, key = INPUT_KEYS[name].split(".")
            config[section][key] = value
        elif group == "answers":
            taken = list(config["stage"]["inputs"])
            taken[int(entry)] = value
            config["stage"]["inputs"] = taken
        elif group in ("sources", "held_out"):
            sources = {**config["data"][group], entry: {**config["data"][group][entry], "artifact": value}}
            config["data"] = {**config["data"], group: sources}
    return config


def _with_data_where_they_were(config: dict[str, Any], directory: str | None) -> dict[str, Any]:
    """Return a config whose relative paths of data are those of the directory of the original, if they exist there."""
    if not directory or Path(directory) == Path.cwd():
        return config

    def located(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: located(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [located(item, key) for item in value]
        if not isinstance(value, str) or key not in PATHS or Path(value).is_absolute() or not any(Path(directory).glob(value)):
            return value
        return str(Path(directory, value))

    return {key: located(value) if isinstance(value, dict) else value for key, value in config.items()}


def run_all(reruns: Reruns, say: Any) -> list[Comparison]:
    """Rerun the runs of a study in order. One that cannot be rerun does not keep the others from it."""
    results = []
    for number, plan in enumerate(reruns.plans, start=1):
        say(f"{plan.original.name} ({number} of {len(reruns.plans)})")
        try:
            results.append(reruns.run(plan))
        except (ConfigError, RunError) as error:
            differs = [str(difference) for difference in plan.differences]
            results.append(Comparison(plan.original.name, [], differs, plan.changed, str(error)))
    return results
