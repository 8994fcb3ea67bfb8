"""Origins of the records of finished runs: a folder of outputs here, the tracking store in ``tracked``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from openr1.runs import record
from openr1.runs.record import RunRecord, StageRecord
from openr1.system.artifacts import NAME, Artifact, Store
from openr1.system.errors import ConfigError, RunError
from openr1.system.records import DamagedFile

T = TypeVar("T")

ID = re.compile(r"[0-9a-f]{32}")  # of a tracked run
HYDRA = ".hydra"
PLAN = "plan.json"


class NotReproducibleError(ConfigError):
    """A run that is there and cannot be reproduced, whatever other places know of it."""


class Origin(Protocol):
    """A place that knows finished runs."""

    where: str  # for messages

    def by_id(self, run_id: str) -> RunRecord | None:
        """Return the run of an id, if it is there.

        :raises NotReproducibleError: for a study, and for a run that is not finished.
        """

    def by_name(self, name: str) -> list[RunRecord]:
        """Return the finished runs of a name, ``study/trial`` or that of the run, oldest first."""

    def study(self, name: str) -> tuple[list[RunRecord], list[str]]:
        """Return the finished runs of a study, oldest first, and a line for each run that is not finished."""

    def maker(self, artifact: str) -> RunRecord | None:
        """Return the run of one stage that made an artifact, by the name of the artifact."""

    def recipe_of(self, run: RunRecord) -> RunRecord | None:
        """Return the recipe of which a run is a stage, or the run itself if it is a recipe."""

    def stores(self) -> list[Path]:
        """Return the folders in which artifacts may still be."""

    def plan(self, study: str) -> Path | None:
        """Return the plan file of a study, if it is there."""

    def tracked(self, study: str) -> list[dict[str, Any]]:
        """Return the runs of a study as the tracking store has them (:mod:`openr1.tracking.study_transfer`)."""


class FolderOrigin:
    """The records in a folder of outputs, such as those of an unpacked bundle."""

    def __init__(self, outputs: Path) -> None:
        self.outputs, self.where = outputs, str(outputs / "studies")

    @cached_property
    def records(self) -> list[RunRecord]:
        paths = sorted((self.outputs / "studies").rglob(f"{record.FOLDER}/*.json"), key=lambda path: path.stat().st_mtime_ns)
        found = []
        for path in paths:
            try:
                found.append(record.read(path))
            except DamagedFile as damage:
                raise RunError(f"{damage}; delete it, and the command that made it makes it again") from damage
        return found

    def by_id(self, run_id: str) -> RunRecord | None:
        for run in reversed(self.records):
            if run.run_id == run_id:
                return run
            for stage in run.stages:
                if stage.run_id == run_id:
                    return run.stage_alone(stage.artifact_name)
        return None

    def by_name(self, name: str) -> list[RunRecord]:
        return [run for run in self.records if is_named(name, run.study, run.name, run.trial)]

    def study(self, name: str) -> tuple[list[RunRecord], list[str]]:
        return [run for run in self.records if run.study == name], []

    def maker(self, artifact: str) -> RunRecord | None:
        return next((alone for run in self.records if (alone := run.stage_alone(artifact))), None)

    def recipe_of(self, run: RunRecord) -> RunRecord | None:
        mine = {stage.run_id or stage.fingerprint for stage in run.stages}
        recipes = (other for other in self.records if other.recipe is not None)
        return next((one for one in recipes if mine <= {stage.run_id or stage.fingerprint for stage in one.stages}), None)

    def stores(self) -> list[Path]:
        return [self.outputs / "artifacts"]

    def plan(self, study: str) -> Path | None:
        path = self.outputs / "studies" / study / PLAN
        return path if path.exists() else None

    def tracked(self, study: str) -> list[dict[str, Any]]:
        return []


def is_named(name: str, study: str, run: str, trial: str) -> bool:
    """Tell whether a person means a run by a name: its own, or ``STUDY/TRIAL``.

    :param run: the run's own name.
    :param trial: the overrides of the trial, of which the name may give those that ``openr1-plan`` shows: ``seed=1 lr=0.01``.
    """
    if name in (run, f"{study}/{run}"):
        return True
    if not trial or not name.startswith(f"{study}/"):
        return False
    asked = name.removeprefix(f"{study}/")
    given = [item.partition("=") for item in trial.split(",")]
    return asked == trial or all(any(_is_short_for(word.partition("="), one) for one in given) for word in asked.split())


def _is_short_for(short: tuple[str, str, str], override: tuple[str, str, str]) -> bool:
    """Tell whether the last parts of a key, with a value, mean an override."""
    key, _, value = override
    if not short[1] or not f".{key.lstrip('+~')}".endswith(f".{short[0]}"):
        return False
    try:
        return float(short[2]) == float(value)
    except ValueError:
        return short[2] == value


def find_run(what: str, origins: Sequence[Origin]) -> RunRecord:
    """Return the one finished run that a person named: an id, ``study/trial``, a name, or a folder.

    :raises ConfigError: if there is none, or several, or it cannot be reproduced.
    """
    if NAME.fullmatch(what):
        stores = (folder for origin in origins for folder in origin.stores())
        what = next((str(folder / what) for folder in stores if (folder / what).is_dir()), what)
    if Path(what).is_dir():
        return record_in(Path(what))

    def named(origin: Origin) -> list[RunRecord]:
        run = origin.by_id(what) if ID.fullmatch(what) else origin.maker(what) if NAME.fullmatch(what) else None
        return [run] if run else origin.by_name(what)

    found = first_known(origins, named)
    if not found:
        if first_known(origins, lambda origin: [*origin.study(what)[0], *origin.study(what)[1]]):
            raise ConfigError(f"{what}: is a study; openr1-reproduce --study {what} reproduces all its runs")
        where = " or ".join(origin.where for origin in origins)
        raise ConfigError(
            f"{what}: is no finished run in {where}; give the id or name of a tracked run, STUDY/TRIAL, or a folder of outputs"
        )
    if len({run.fingerprint for run in found}) > 1:
        ids = ", ".join(run.run_id or run.fingerprint for run in found[:5])
        raise ConfigError(f"{what}: {len(found)} runs have this name; give the id of one: {ids}{', …' * (len(found) > 5)}")
    return found[-1]


def find_study(name: str, origins: Sequence[Origin]) -> tuple[list[RunRecord], list[str]]:
    """Return the finished runs of a study, oldest first, and a line for each run that is not finished.

    :raises ConfigError: if no finished run is known.
    """
    found = first_known(origins, lambda origin: [known] if any(known := origin.study(name)) else [])
    runs, lines = found[0] if found else ([], [])
    if not runs:
        where = " or ".join(origin.where for origin in origins)
        why = f"has no finished run: {'; '.join(lines)}" if lines else f"is no study in {where}"
        raise ConfigError(f"--study: {name} {why}")
    return runs, lines


def first_known(origins: Sequence[Origin], ask: Callable[[Origin], list[T]]) -> list[T]:
    """Return what the first place knows that knows anything.

    :raises ConfigError: the first error, if a place has lost what it had and no other knows.
    :raises NotReproducibleError: if a place refuses it.
    """
    refused: ConfigError | None = None
    for origin in origins:
        try:
            if found := ask(origin):
                return found
        except NotReproducibleError:
            raise
        except ConfigError as error:  # such as a store that has lost the files of its runs
            refused = refused or error
    if refused:
        raise refused
    return []


def record_in(folder: Path) -> RunRecord:
    """Return the record of the run in a folder: that of Hydra, or the artifact of a stage.

    :raises ConfigError: if there is none.
    """
    if folder.name == HYDRA:
        folder = folder.parent
    if artifact := Store(folder.parent).get(str(folder.absolute())):
        return _record_of_artifact(artifact)
    if (folder / record.FILE).exists():
        try:
            return record.read(folder / record.FILE)
        except DamagedFile as damage:
            raise ConfigError(f"{damage}; give the id of the run instead") from damage
    if (folder / HYDRA).is_dir():
        raise ConfigError(f"{folder}: its run is not finished, so that there is nothing to compare a rerun with")
    raise ConfigError(f"{folder}: holds no run; give an artifact's folder, or the one that holds {HYDRA}")


def _record_of_artifact(artifact: Artifact) -> RunRecord:
    made = record.read_beginning(artifact.path)
    if "config" not in made:
        raise ConfigError(f"{artifact.path}: was made by an earlier version, which kept no config; give the id of the run")
    stage = StageRecord(
        "",
        artifact.kind,
        artifact.fingerprint,
        artifact.inputs,
        artifact.metrics,
        artifact.sha256(),
        made["config"],
        made["environment"],
        made["run_id"],
    )
    return RunRecord(artifact.name, made["study"], "", artifact.fingerprint, [stage], None, made["run_id"])
