"""The studies of an outputs folder and its store: runs by state, FLOPs, best result, time of the last change, size on disk."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from openr1.config.schema import PathsConfig
from openr1.options.near import did_you_mean
from openr1.runs.record import FOLDER, fingerprint_of
from openr1.sweeps.catalogue import change
from openr1.sweeps.catalogue.change import Change
from openr1.sweeps.limits.spent import spent_on
from openr1.sweeps.planning.at_work import is_at_work
from openr1.sweeps.planning.states import StagePlace
from openr1.sweeps.planning.tracked_runs import latest_by_fingerprint, read_tracked_runs, store_is_there
from openr1.sweeps.status import plan_file
from openr1.system.artifacts import NAME, Store
from openr1.system.errors import ConfigError
from openr1.system.records import DamagedFile, read_json
from openr1.tracking.directions import best_of
from openr1.tracking.mlflow import TrackedRun
from openr1.tracking.names import CURVES
from openr1.tracking.options import TrackingConfig
from openr1.tracking.reading import archived_studies, study_names

PARENT, ROLE = "mlflow.parentRunId", "role"
WAITING = "waiting"


@dataclass
class StudyEntry:
    """One study.

    :ivar folder: of its plan, records and reports; it need not be there.
    :ivar tracked: its runs in the store, oldest first: trials of recipes, and stages.
    :ivar archived: it is not listed unless asked for.
    :ivar change: of a command that was interrupted.
    :ivar uses: names of the artifacts that it made, takes or plans.
    """

    name: str
    folder: Path
    tracked: list[TrackedRun] = field(default_factory=list)
    archived: bool = False
    change: Change | None = None
    uses: set[str] = field(default_factory=set)

    @cached_property
    def plan(self) -> dict[str, Any] | None:
        """The content of ``plan.json``; None if it is not there, or damaged."""
        try:
            return read_json(self.folder / plan_file.FILE)
        except DamagedFile:
            return None

    @cached_property
    def records(self) -> list[Path]:
        """The files of its finished trials (:mod:`openr1.runs.record`)."""
        return sorted((self.folder / FOLDER).glob("*.json"))

    @property
    def trials(self) -> list[TrackedRun]:
        """The last attempt of each trial that is tracked."""
        trials = {run.run_id for run in self.tracked if run.tags.get(ROLE) == "trial"}
        top = [run for run in self.tracked if run.tags.get(PARENT) not in trials]
        return list(latest_by_fingerprint(top).values())

    @property
    def states(self) -> dict[str, int]:
        """The number of trials by state, as MLflow calls them; those that are planned and not begun wait."""
        states = Counter("pruned" if run.tags.get("state") == "PRUNED" else run.status.lower() for run in self.trials)
        if not self.tracked and self.records:
            states["finished"] = len(self.records)
        known = {run.tags.get("fingerprint") for run in self.trials} | {path.stem for path in self.records}
        plan = self.plan or {"runs": []}
        planned = [[(stage["name"], stage["kind"], stage["fingerprint"]) for stage in run["stages"]] for run in plan["runs"]]
        waiting = len(set(map(fingerprint_of, planned)) - known)
        if "search" in plan:
            waiting = max(0, plan["search"]["n_trials"] - len(known))
        return dict(states) | ({WAITING: waiting} if waiting else {})

    @property
    def flops(self) -> float:
        """FLOPs that its runs have spent; an artifact that another study made costs it nothing."""
        return spent_on(self.tracked).flops

    @property
    def best(self) -> tuple[str, float] | None:
        """The name and value of its best result."""
        for name in CURVES:
            values = [run.metrics[name] for run in self.trials if run.status == "FINISHED" and name in run.metrics]
            if values and (choose := best_of(name)):
                return name, choose(values)
        return None

    @property
    def changed(self) -> datetime | None:
        """The time of its last run, or of its plan."""
        times = [run.end_time or run.start_time for run in self.tracked]
        paths = [path for path in (self.folder / plan_file.FILE, *self.records) if not times and path.exists()]
        return max([*times, *(datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in paths)], default=None)


@dataclass(frozen=True)
class Catalogue:
    """The studies of an outputs folder and its store."""

    paths: PathsConfig
    tracking: TrackingConfig
    studies: dict[str, StudyEntry]

    def get(self, name: str) -> StudyEntry:
        """Return a study by its name.

        :raises ConfigError: if there is none, naming those that are near.
        """
        if name not in self.studies:
            there = did_you_mean(name, self.studies)
            raise ConfigError(f"name: there is no study {name!r} in {self.paths.studies} or {self.tracking.uri}{there}")
        return self.studies[name]

    def own_artifacts(self, entry: StudyEntry) -> list[Path]:
        """Return the folders of the artifacts that a study uses and no other study does, begun ones too."""
        store = Store(self.paths.artifacts)
        others = {name for other in self.studies.values() if other is not entry for name in other.uses}
        folders = [(store.root / name, store.root / ".partial" / name) for name in sorted(entry.uses - others)]
        return [folder for both in folders for folder in both if folder.is_dir()]

    def shared_artifacts(self, entry: StudyEntry) -> int:
        """Count the artifacts that a study uses and that another study uses too."""
        mine = {folder.name for folder in self.own_artifacts(entry)}
        return sum((Path(self.paths.artifacts) / name).is_dir() for name in entry.uses - mine)

    def size(self, entry: StudyEntry) -> int:
        """Return the bytes that deleting a study frees: those of its folder, and of artifacts that no other study uses."""
        return sum(map(_size, [*self.own_artifacts(entry), *self.own_paths(entry)]))

    def own_paths(self, entry: StudyEntry) -> list[Path]:
        """Return what is in the folder of a study and belongs to it: all but the folders of other studies."""
        others = {other.folder for other in self.studies.values() if other is not entry}
        inside = sorted(entry.folder.iterdir()) if entry.folder.is_dir() else []
        return [path for path in inside if not any(other == path or path in other.parents for other in others)]

    def holds_others(self, entry: StudyEntry) -> str | None:
        """Return the name of a study whose folder is inside that of another one; None if there is none."""
        return next((other.name for other in self.studies.values() if entry.folder in other.folder.parents), None)

    def running(self, entry: StudyEntry) -> str | None:
        """Say why a study counts as running; None if no process works on it."""
        if is_at_work(entry.folder):
            return "a process works on it"
        for run in entry.tracked:
            if run.status == "RUNNING":
                return f"run {run.name} ({run.run_id}) is running on {run.tags.get('host', 'another machine')}"
        for name in sorted(entry.uses):
            kind, _, fingerprint = name.rpartition("-")
            place = StagePlace(kind, fingerprint, self.paths.artifacts)
            if not place.is_made and Path(f"{place.partial}.lock").exists() and place.is_running():
                return f"{name} is being made"
        return None


def read_catalogue(paths: PathsConfig, tracking: TrackingConfig) -> Catalogue:
    """Read all studies, by name.

    :raises ConfigError: for a store that cannot be opened.
    """
    is_there = store_is_there(tracking)
    by_study: dict[str, list[TrackedRun]] = defaultdict(list)
    for run in read_tracked_runs(tracking):
        by_study[run.tags["study"]].append(run)
    archived = archived_studies(tracking.uri) if is_there else set()
    root = Path(paths.studies)
    names = {*by_study, *(study_names(tracking.uri) if is_there else ()), *_names_on_disk(root)}
    studies = {}
    for name in sorted(names):
        entry = StudyEntry(name, root / name, by_study.get(name, []), name in archived, change.read(root / name))
        entry.uses = _uses(entry)
        studies[name] = entry
    return Catalogue(paths, tracking, studies)


def _names_on_disk(root: Path) -> set[str]:
    """Return the names of studies that have a plan, a record of a run, or a change under way."""
    marks = [*root.rglob(plan_file.FILE), *root.rglob(change.FILE)]
    folders = {path.parent for path in marks} | {path.parents[1] for path in root.rglob(f"{FOLDER}/*.json")}
    return {folder.relative_to(root).as_posix() for folder in folders if folder != root}


def _uses(entry: StudyEntry) -> set[str]:
    """Return the names of the artifacts of a study: those that its runs name in any tag or param, its records and its plan."""
    made = {f"{run.tags['stage']}-{run.tags['fingerprint']}" for run in entry.tracked if "fingerprint" in run.tags}
    stages = [stage for run in (entry.plan or {}).get("runs", ()) for stage in run["stages"]]
    stages += [stage for path in entry.records for stage in _stages(path)]
    texts = [text for run in entry.tracked for text in (*run.tags.values(), *run.params.values())]
    texts += [path.read_text(errors="replace") for path in entry.records]
    named = {match[0] for text in texts for match in re.finditer(NAME, text)}
    listed = {f"{stage['kind']}-{stage['fingerprint']}" for stage in stages}
    begun = set(entry.change.artifacts) if entry.change else set()
    return made | listed | named | begun


def _stages(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        return read_json(path).get("stages", ())
    except DamagedFile:
        return ()


def _size(path: Path) -> int:
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())
