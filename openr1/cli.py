"""``openr1``: one run of a stage or recipe, or with ``-m`` a study. Composing a config and ``--help`` import nothing heavy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from openr1.config.load import load_run_config
from openr1.config.schema import register
from openr1.options.guard import exiting, guarded
from openr1.system.errors import ConfigError
from openr1.system.faults import writing
from openr1.system.interrupts import interruptible
from openr1.system.packages import require

if TYPE_CHECKING:
    from openr1.runs.trial import TrialResult


def execute(cfg: DictConfig) -> float | None:
    """Run the composed config and return its final evaluation loss, which a sweeper minimises, if it has one."""
    job = HydraConfig.get()
    if job.mode == RunMode.MULTIRUN:
        from openr1.runs.trial import run_trial

        with writing(), interruptible(worker=True):  # of a launcher that has processes of its own
            trial = run_trial(load_run_config(cfg), job.job.override_dirname, quiet=True)
            _keep_record(trial, job)
            return trial.value
    with exiting(), _without_folder_of_a_refused_run(job):
        if (sweep := job.runtime.choices.get("sweep") or "default") != "default":
            raise ConfigError(f"sweep={sweep}: chooses the runs of a study; add -m to make them")
        config = load_run_config(cfg)
        require("torch")
        from openr1.runs.trial import run_trial

        trial = run_trial(config)
        _keep_record(trial, job)
        from openr1.runs.summary import show_trial

        show_trial(trial, config)
    return trial.value


def _keep_record(trial: TrialResult, job: HydraConf) -> None:
    """Put the record of a finished trial into the folder that Hydra made for it, by which ``openr1-reproduce`` knows it."""
    from openr1.runs.record import FILE

    if (folder := Path(job.runtime.output_dir)).is_dir():
        shutil.copyfile(trial.record, folder / FILE)


@contextmanager
def _without_folder_of_a_refused_run(job: HydraConf) -> Iterator[None]:
    """Remove what Hydra wrote for a run whose config is then refused, and the folders that are empty without it."""
    try:
        yield
    except ConfigError:
        folder = Path(job.runtime.output_dir)
        shutil.rmtree(folder / (job.output_subdir or ".hydra"), ignore_errors=True)
        (folder / f"{job.job.name}.log").unlink(missing_ok=True)
        with suppress(OSError):  # of the first that is not empty
            for parent in (folder, *folder.parents):
                if parent != Path.cwd():
                    parent.rmdir()
        raise


def main() -> None:
    register()
    _absolute_config_path()
    guarded(hydra.main(version_base="1.3", config_path="pkg://openr1.conf", config_name="config")(execute))


def _absolute_config_path() -> None:
    """Make a relative ``-cp`` absolute: Hydra takes it as relative to this file, users as relative to the current directory."""
    for i, word in enumerate(sys.argv[:-1]):
        if word in ("-cp", "--config-path") and Path(sys.argv[i + 1]).is_dir():
            sys.argv[i + 1] = str(Path(sys.argv[i + 1]).absolute())
