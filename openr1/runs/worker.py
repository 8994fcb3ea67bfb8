"""One process of a run on several: ``python -m openr1.runs.worker FOLDER``, started by :mod:`openr1.distributed.launcher`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from openr1.config.load import load_run_config
from openr1.distributed.devices import keep_own_gpu
from openr1.distributed.launcher import ABOUT, CONFIG, RESULT, log_name
from openr1.distributed.work_queue import join_queue
from openr1.runs.prepare import prepare
from openr1.runs.stage_run import run_in_process, silence_third_party, stage_context
from openr1.stages import stage_module
from openr1.system.errors import Interrupted
from openr1.system.faults import writing
from openr1.system.files import write_json
from openr1.system.interrupts import interruptible
from openr1.tracking.observer import observing
from openr1.tracking.relay import OBSERVED, RelayObserver


class Untracked:
    """Stands for the tracked run on all ranks but the first: accepts every call and sends nothing."""

    first_step = 0

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def run(folder: Path, rank: int) -> None:
    """Run the stage that is described in this folder; the metrics of the first rank are kept.

    A rank that asks a model runs the stage as on one process, but for the problems, of which it has a share.
    """
    config = load_run_config(yaml.safe_load((folder / CONFIG).read_text()))
    about = json.loads((folder / ABOUT).read_text())
    queue = None
    if not config.stage.trains:
        if about["asking_device"] == "cuda":
            keep_own_gpu(rank)
        queue = join_queue()
        config = replace(config, compute=replace(config.compute, processes=1))
    tracked = _tracked(config.tracking.uri, about) if rank == 0 else Untracked()
    prepared = prepare(config, identity=(about["fingerprint"], about["inputs"]))
    context = replace(stage_context(prepared, Path(about["folder"]), tracked), queue=queue)
    try:
        with writing(context.folder), observing(None if rank else RelayObserver(folder / OBSERVED)):
            metrics = run_in_process(context, about["quiet"]) if rank == 0 else stage_module(config.stage.kind).run(context)
    finally:
        tracked.flush()
        tracked.keep()
    if rank == 0:
        write_json(folder / RESULT, metrics)


def _tracked(uri: str, about: dict[str, Any]):
    from openr1.tracking.mlflow import Run

    run = Run(uri, about["run_id"], keep=Path(about["folder"]))
    run.first_step = about["first_step"]
    return run


def _obey_parent() -> None:
    """Wait for the process that started the run: a byte from it interrupts this process, and its end ends it at once."""
    while os.read(0, 1):
        os.kill(os.getpid(), signal.SIGTERM)
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
    _log_to(folder / log_name(rank), rank)
    silence_third_party()
    try:
        with interruptible(worker=True):
            threading.Thread(target=_obey_parent, daemon=True).start()
            record(run)(folder, rank)
    except Interrupted as error:
        os._exit(128 + error.number)
    except Exception:
        if sys.__stderr__:
            traceback.print_exc(file=sys.__stderr__)
            sys.__stderr__.flush()
        os._exit(1)  # without waiting for the other ranks
    sys.stderr.flush()
    os._exit(0)  # everything is written, and threads of gloo may abort a process that exits normally


if __name__ == "__main__":
    main()
