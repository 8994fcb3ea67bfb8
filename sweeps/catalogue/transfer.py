"""Studies on their way to another machine: bundles of ``openr1-reproduce``, which have the tracked runs too."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openr1.runs import record
from openr1.runs.reproduction.bundle import SUFFIX, TRACKED, unpack_bundle, write_bundle
from openr1.runs.reproduction.origins import FolderOrigin, Origin
from openr1.runs.reproduction.tracked import TrackedOrigin
from openr1.sweeps.catalogue import change
from openr1.sweeps.catalogue.change import Change
from openr1.sweeps.catalogue.config import StudiesConfig
from openr1.sweeps.catalogue.entries import Catalogue, StudyEntry
from openr1.sweeps.status import plan_file
from openr1.system.artifacts import Store
from openr1.system.errors import ConfigError
from openr1.system.faults import writing
from openr1.system.files import check_place, write_json
from openr1.system.records import read_json
from openr1.tracking.names import check_folder
from openr1.tracking.study_transfer import track_study


def export_study(entry: StudyEntry, config: StudiesConfig) -> int:
    """Write the finished runs of a study into a bundle, and return their number.

    :raises ConfigError: for a study without a tracked run, a file that is no ``.zip``, or a place that cannot be written.
    """
    path = Path(str(config.to))
    if path.suffix != SUFFIX:
        raise ConfigError(f"to: {path} does not end in {SUFFIX}")
    check_place(path.parent, "to")
    if not any(run.status == "FINISHED" for run in entry.tracked):
        raise ConfigError(f"name: {entry.name!r} has no finished run in {config.tracking.uri}, so that nothing can be exported")
    with TemporaryDirectory() as scratch:
        tracked = TrackedOrigin(config.tracking.uri, Path(scratch))
        origins: list[Origin] = [tracked, FolderOrigin(Path(config.paths.outputs))]
        runs, _ = tracked.study(entry.name)
        gone = write_bundle(path, runs, entry.name, origins, config.weights)
    for name in gone:
        print(f"openr1-plan: {name} is gone, so that its weights are not in the bundle", file=sys.stderr)
    return len(runs)


def import_study(catalogue: Catalogue, config: StudiesConfig) -> tuple[str, int]:
    """Track the runs of a bundle here, and write its plan, records and artifacts; return the name and the number of runs.

    An import that was killed goes on from where it was.

    :raises ConfigError: for a file that is no bundle of a study, and for a name that is taken.
    """
    path = Path(str(config.name))
    with TemporaryDirectory() as scratch:
        _, study = unpack_bundle(path, Path(scratch))
        if study is None:
            raise ConfigError(f"name: {path} has single runs, not a study; openr1-reproduce {path} reruns them")
        tracked = Path(scratch) / TRACKED
        if not tracked.exists():
            raise ConfigError(f"name: {path} has no tracked runs, as an earlier version wrote it; openr1-reproduce reruns them")
        runs = [json.loads(line) for line in tracked.read_text().splitlines()]
        name = config.to or study
        check_folder(name, "to", nested=True)
        folder = Path(config.paths.studies) / name
        _begin(catalogue, folder, name, Change("import", str(path), config.to or ""))
        ids = track_study(config.tracking, name, runs, Path(config.paths.artifacts))
        _write_files(Path(scratch), study, name, ids, config)
        change.end(folder, Path(config.paths.studies))
    return name, len(runs)


def _begin(catalogue: Catalogue, folder: Path, name: str, wanted: Change) -> None:
    """Write down that an import begins, unless it was begun before.

    :raises ConfigError: for a name that is taken.
    """
    begun = change.read(folder)
    if begun and begun.is_same(wanted):
        return
    if name in catalogue.studies or folder.exists():
        raise ConfigError(f"to: there is a study {name!r} already; give another name: openr1-plan studies import FILE NAME")
    change.begin(folder, wanted)


def _write_files(bundle: Path, study: str, name: str, ids: dict[str, str], config: StudiesConfig) -> None:
    """Write what a bundle has beside tracked runs: artifacts, records with the ids of the runs here, and the plan."""
    with writing(Path(config.paths.artifacts)):
        for artifact in sorted((bundle / "artifacts").glob("*-*")):
            _copy_artifact(artifact, Store(config.paths.artifacts).root)
    folder = Path(config.paths.studies) / name
    for run in FolderOrigin(bundle).study(study)[0]:
        stages = [replace(stage, run_id=ids.get(stage.run_id or "")) for stage in run.stages]
        here = replace(run, study=name, stages=stages, run_id=ids.get(run.run_id or ""))
        record.write(here, folder / record.FOLDER / f"{run.fingerprint}.json")
    path = bundle / "studies" / study / plan_file.FILE
    if path.exists() and "search" not in (plan := read_json(path)):  # the trials of a search are in a storage of their own
        write_json(folder / plan_file.FILE, _plan_here(plan, name, folder, config), shared=True)


def _plan_here(plan: dict[str, Any], name: str, folder: Path, config: StudiesConfig) -> dict[str, Any]:
    for stage in (stage for run in plan["runs"] for stage in run["stages"]):
        stage["artifacts"] = config.paths.artifacts
    return plan_file.renamed(plan, name, folder)


def _copy_artifact(artifact: Path, root: Path) -> None:
    """Copy an artifact that is not there, whole or not at all."""
    if (root / artifact.name).exists():
        return
    aside = root / ".partial" / f"{artifact.name}.import"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(artifact, aside)
    os.rename(aside, root / artifact.name)
