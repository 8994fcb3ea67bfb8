"""``openr1-plan studies``: all studies of an outputs folder, and changes of one of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from openr1.options import load_config
from openr1.sweeps.catalogue.config import StudiesConfig
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.sweeps.catalogue.entries import Catalogue


def register() -> None:
    """Put the schema into Hydra's store, without a group."""
    ConfigStore.instance().store(name="StudiesConfig", node=StudiesConfig)


def run(cfg: DictConfig, command: str) -> None:
    """List the studies, or change one.

    :raises ConfigError: for an invalid config, a study that is not there or runs, and a name that is taken.
    """
    execute(load_config(StudiesConfig, cfg))


def execute(config: StudiesConfig) -> None:
    """Do what the options say, and say what was done.

    :raises ConfigError: as :func:`run` does.
    """
    from openr1.sweeps.catalogue.change import changing
    from openr1.sweeps.catalogue.entries import read_catalogue
    from openr1.tracking.mlflow import end_dead_runs

    end_dead_runs(config.tracking)
    if config.studies == "list":
        _list(read_catalogue(config.paths, config.tracking), config.archived)
        return
    with changing(config.paths):
        catalogue = read_catalogue(config.paths, config.tracking)
        print(CHANGES[config.studies](catalogue, config))


def _list(catalogue: Catalogue, archived: bool) -> None:
    from openr1.sweeps.catalogue.table import studies_table
    from openr1.system.terminal import console as console_of
    from openr1.system.terminal import print_table

    console = console_of()
    if not catalogue.studies:
        console.print(f"there are no studies in {catalogue.paths.studies}", soft_wrap=True, markup=False)
        return
    table, lines = studies_table(catalogue, archived)
    print_table(table, console)
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _rename(catalogue: Catalogue, config: StudiesConfig) -> str:
    from openr1.sweeps.catalogue.rename import rename

    rename(catalogue, config)
    return f"renamed {config.name} to {config.to}; openr1-fit runs.study={config.to} writes its report anew"


def _archive(catalogue: Catalogue, config: StudiesConfig) -> str:
    from openr1.sweeps.catalogue.rename import require_quiet
    from openr1.tracking.study_changes import archive_study

    entry = catalogue.get(str(config.name))
    require_quiet(catalogue, entry)
    archived = config.studies == "archive"
    archive_study(config.tracking, entry.name, archived)
    if archived:
        return f"archived {entry.name}; openr1-plan studies archived=true lists it, and studies restore brings it back"
    return f"restored {entry.name}"


def _delete(catalogue: Catalogue, config: StudiesConfig) -> str:
    from openr1.sweeps.catalogue.delete import check_deletion, delete
    from openr1.sweeps.catalogue.table import states_text
    from openr1.sweeps.cost.table import format_bytes

    entry = catalogue.get(str(config.name))
    check_deletion(catalogue, entry, config)
    size, shared = catalogue.size(entry), catalogue.shared_artifacts(entry)
    about = f"{entry.name} (runs: {states_text(entry.states)}; {format_bytes(size)})"
    if not config.confirm:
        _ask(about)
    delete(catalogue, entry, config)
    kept = f"; {shared} artifact{'s' * (shared > 1)} that other studies use stay{'s' * (shared == 1)}" if shared else ""
    return f"deleted {about}{kept}"


def _ask(about: str) -> None:
    """Ask on the terminal whether a study shall be deleted.

    :raises ConfigError: if there is no terminal, or the answer is not yes.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(f"confirm: deletes {about}; without a terminal that asks, add confirm=true")
    if input(f"delete {about}? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ConfigError("confirm: nothing was deleted")


def _export(catalogue: Catalogue, config: StudiesConfig) -> str:
    from openr1.sweeps.catalogue.transfer import export_study

    count = export_study(catalogue.get(str(config.name)), config)
    runs = f"{count} finished run{'s' * (count != 1)}"
    return f"wrote {config.to}: {runs}; openr1-plan studies import {config.to} reads it on another machine"


def _import(catalogue: Catalogue, config: StudiesConfig) -> str:
    from openr1.sweeps.catalogue.transfer import import_study

    name, count = import_study(catalogue, config)
    return f"imported {name}: {count} tracked run{'s' * (count != 1)}; openr1-fit runs.study={name} reads it"


CHANGES = {"rename": _rename, "archive": _archive, "restore": _archive, "delete": _delete, "export": _export, "import": _import}
