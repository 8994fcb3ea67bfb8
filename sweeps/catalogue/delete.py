"""The end of a study: its runs in the store, its folder, its search, and the artifacts that no other study uses.

The artifacts go first and the folder last. A command that is killed leaves a study that is listed as half deleted, and the same
command goes on.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from openr1.sweeps.catalogue import change
from openr1.sweeps.catalogue.change import Change
from openr1.sweeps.catalogue.config import StudiesConfig
from openr1.sweeps.catalogue.entries import Catalogue, StudyEntry
from openr1.sweeps.catalogue.rename import require_quiet, search_storage
from openr1.sweeps.planning.tracked_runs import store_is_there
from openr1.system.artifacts import Store
from openr1.system.faults import writing
from openr1.tracking import study_changes

DELETED = ".deleted"  # folder of artifacts that are being deleted, so that none is ever there in part


def check_deletion(catalogue: Catalogue, entry: StudyEntry, config: StudiesConfig) -> None:
    """Refuse to delete a study that runs, or that another command was changing.

    :raises ConfigError: in one line that says what to do.
    """
    if entry.change is None or entry.change.action != "delete":
        require_quiet(catalogue, entry)
    if url := search_storage(entry, config):
        from openr1.sweeps.optuna.study_changes import search_names

        search_names(url)  # it opens


def delete(catalogue: Catalogue, entry: StudyEntry, config: StudiesConfig) -> None:
    """Delete a study that :func:`check_deletion` accepts."""
    folders = catalogue.own_artifacts(entry)
    names = sorted({folder.name for folder in folders} | set(entry.change.artifacts if entry.change else ()))
    change.begin(entry.folder, Change("delete", entry.name, artifacts=names))
    with writing(Path(config.paths.artifacts)):
        for folder in folders:
            _remove_artifact(folder, Store(config.paths.artifacts).root / DELETED)
        shutil.rmtree(Store(config.paths.artifacts).root / DELETED, ignore_errors=True)
    if url := search_storage(entry, config):
        from openr1.sweeps.optuna.study_changes import delete_search

        delete_search(url, entry.name)
    if store_is_there(config.tracking):
        study_changes.delete_study(config.tracking.uri, entry.name)
    for path in catalogue.own_paths(entry):
        if path.name == change.FILE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    change.end(entry.folder, Path(config.paths.studies))


def _remove_artifact(folder: Path, aside: Path) -> None:
    """Move an artifact aside in one rename before it is deleted: in its place, a part of it would count as damaged."""
    aside.mkdir(parents=True, exist_ok=True)
    target = aside / folder.name
    shutil.rmtree(target, ignore_errors=True)
    os.rename(folder, target)
    shutil.rmtree(target)
    Path(f"{folder}.lock").unlink(missing_ok=True)
