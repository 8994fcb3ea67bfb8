"""Another name for a study: of its runs in the store, of its search, of its plan and records, and of its folder.

The folder goes last, so that a command that is killed leaves a file there that says how to go on.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from openr1.runs import record
from openr1.sweeps.catalogue import change
from openr1.sweeps.catalogue.change import Change
from openr1.sweeps.catalogue.config import StudiesConfig
from openr1.sweeps.catalogue.entries import Catalogue, StudyEntry
from openr1.sweeps.planning.tracked_runs import store_is_there
from openr1.sweeps.status import plan_file
from openr1.system.errors import ConfigError
from openr1.system.files import write_json
from openr1.system.records import DamagedFile
from openr1.tracking import study_changes


def rename(catalogue: Catalogue, config: StudiesConfig) -> None:
    """Rename a study. A rename that was killed goes on from where it was.

    :raises ConfigError: for a study that is not there or that runs, and for a name that is taken.
    """
    old, new = str(config.name), str(config.to)
    wanted = Change("rename", old, new)
    root = Path(config.paths.studies)
    source, target = root / old, root / new
    begun = [found for folder in (source, target) if (found := change.read(folder))]
    if not any(found.is_same(wanted) for found in begun):
        _check(catalogue, catalogue.get(old), config)
        change.begin(source, wanted)
    if store_is_there(config.tracking):
        study_changes.rename_study(config.tracking.uri, old, new)
    if source.is_dir():  # else it is the target already
        _rename_files(source, target, config)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)
    change.end(target, root)
    change.remove_empty(source.parent, root)


def require_quiet(catalogue: Catalogue, entry: StudyEntry) -> None:
    """Refuse a study that runs, or that another command was changing.

    :raises ConfigError: in one line that says what to do.
    """
    if entry.change:
        raise ConfigError(f"name: a change of {entry.name!r} was interrupted; finish it first: {entry.change.command}")
    if reason := catalogue.running(entry):
        raise ConfigError(f"name: {entry.name!r} is running, since {reason}; stop it, or wait for its end")


def _check(catalogue: Catalogue, entry: StudyEntry, config: StudiesConfig) -> None:
    """Refuse a rename that cannot be done to its end.

    :raises ConfigError: in one line that says why.
    """
    new = str(config.to)
    target = Path(config.paths.studies) / new
    if new in catalogue.studies:
        raise ConfigError(f"to: there is a study {new!r} already; choose another name")
    if target.exists():
        raise ConfigError(f"to: {target} is there already; choose another name")
    if entry.folder in target.parents:
        raise ConfigError(f"to: {new!r} is inside the folder of {entry.name!r}; choose another name")
    require_quiet(catalogue, entry)
    if inner := catalogue.holds_others(entry):
        raise ConfigError(f"name: the folder of {entry.name!r} holds the study {inner!r}; rename that first")
    if url := search_storage(entry, config):
        from openr1.sweeps.optuna.study_changes import search_names

        if new in search_names(url):
            raise ConfigError(f"to: there is a search {new!r} in its storage already; choose another name")


def search_storage(entry: StudyEntry, config: StudiesConfig) -> str | None:
    """Return the address of the storage of a search; None for a study that is none."""
    search = (entry.plan or {}).get("search")
    return (config.storage or search["storage"]) if search else None


def _rename_files(source: Path, target: Path, config: StudiesConfig) -> None:
    """Write the new name into the plan and the records of a study, and into the storage of its search.

    :param target: the folder in which they will be.
    """
    old, new = str(config.name), str(config.to)
    if (source / plan_file.FILE).exists():
        plan = plan_file.read(config.paths, old)
        if plan["study"] != new:  # by an earlier try
            if "search" in plan:
                from openr1.sweeps.optuna.study_changes import rename_search

                rename_search(config.storage or plan["search"]["storage"], old, new)
            write_json(source / plan_file.FILE, plan_file.renamed(plan, new, target), shared=True)
    for path in (source / record.FOLDER).glob("*.json"):
        try:
            record.write(replace(record.read(path), study=new), path)
        except DamagedFile:  # it is of no use under either name
            continue
