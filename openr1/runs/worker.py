"""One of the processes of a run, as :mod:`openr1.distributed.launcher` starts them: ``python -m openr1.runs.worker FOLDER``."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import yaml

from openr1.artifacts import Store
from openr1.config.load import load_run_config
from openr1.distributed.launcher import CONFIG, JOB, RESULT, log_name
from openr1.files import write_json
from openr1.runs.dataset import prepare_dataset
from openr1.runs.estimate import estimate_run
from openr1.runs.stage_run import silence_third_party
from openr1.training.context import StageContext, perform, stage_of


class Untracked:
    """In place of the tracked run on all ranks but the first: takes everything, and sends nothing."""

    first_step = 0

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def run(folder: Path, rank: int) -> None:
    """The stage of the job in this folder; the figures of the first rank are kept."""
    config = load_run_config(yaml.safe_load((folder / CONFIG).read_text()))
    about = json.loads((folder / JOB).read_text())
    store = Store(config.paths.artifacts)
    inputs = {name: store.get(path) for name, path in about["inputs"].items()}
    dataset = prepare_dataset(config) if about["dataset"] else None
    tracked = _tracked(config.tracking.uri, about) if rank == 0 else Untracked()
    context = StageContext(config, inputs, estimate_run(config, dataset), Path(about["folder"]), tracked, dataset=dataset)
    try:
        metrics = perform(context, about["quiet"]) if rank == 0 else stage_of(config).run(context)
    finally:
        tracked.flush()
    if rank == 0:
        write_json(folder / RESULT, metrics)


def _tracked(uri: str, about: dict[str, Any]):
    from openr1.tracking.mlflow import Run

    found = Run(uri, about["run_id"])
    found.first_step = about["first_step"]
    return found


def _end_with_parent() -> None:
    """Wait for the end of the process that started the run, and end then."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def _log_to(path: Path, rank: int) -> None:
    """Send what libraries write to a file. The first rank keeps the terminal for progress, and for nothing else."""
    terminal = os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    if rank == 0:
        sys.stderr = os.fdopen(terminal, "w", buffering=1)


def main() -> None:
    from torch.distributed.elastic.multiprocessing.errors import record

    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _log_to(folder / log_name(rank), rank)
    silence_third_party()
    try:
        record(run)(folder, rank)
    except Exception:
        traceback.print_exc(file=sys.__stderr__)
        sys.__stderr__.flush()
        os._exit(1)  # without waiting for what other ranks will not do any more
    sys.stderr.flush()
    os._exit(0)  # all is written, and the threads of gloo may abort a process that ends by itself


if __name__ == "__main__":
    main()
