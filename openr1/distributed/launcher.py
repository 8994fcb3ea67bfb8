"""Launcher of a run on several processes: ``accelerate launch`` on the resolved config, which is saved beside the run.

The process of the run opens and closes the tracked run and publishes the artifact. The ranks train, or share the problems of a
stage that asks a model (:mod:`openr1.runs.worker`); the first rank reports progress and tracks the curves. Each rank holds a
pipe to the process that started it, and exits when that process ends for any reason.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from openr1.distributed.deepspeed import is_sharded, release_stale_locks
from openr1.distributed.devices import asking_device
from openr1.distributed.options import ZERO_STAGES
from openr1.system.errors import ConfigError, Interrupted, Pruned, RunError
from openr1.system.files import write_json
from openr1.system.interrupts import INTERRUPT_SECONDS

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.distributed.options import ComputeConfig

RANKS = "ranks"  # folder of a run that holds the input, the results and the logs of the processes
LISTEN_SECONDS = 0.2  # between two times that the process of the run listens to the first rank
CONFIG, ABOUT, RESULT, FAILURE, LOG = "config.yaml", "about.json", "result.json", "failure.json", "launch.log"
ENDED_BY_SIGTERM = (-signal.SIGTERM, 128 + signal.SIGTERM)  # exit codes of a rank
# words in the errors of ranks that fail because another rank has failed
SECONDARY_ERRORS = ("DistBackendError", "DistNetworkError", "DistStoreError", "gloo", "NCCL", "Connection closed by peer")


def is_distributed(config: Config) -> bool:
    """Return True if a run uses several processes, to train or to ask a model."""
    return config.compute.processes > 1 and config.stage.multiprocess and config.stage.needs_model


def check_processes(config: Config) -> None:
    """Refuse several processes that this environment or machine cannot run.

    :raises ConfigError: if DeepSpeed is not installed, or there are too few GPUs.
    """
    if not is_distributed(config):
        return
    compute, trains = config.compute, config.stage.trains
    if trains and compute.strategy in ZERO_STAGES and importlib.util.find_spec("deepspeed") is None:
        raise ConfigError(f"compute.strategy: {compute.strategy} needs DeepSpeed: pip install 'openr1[deepspeed]'")
    if (compute.device if trains else asking_device(config)) == "cuda":
        import torch

        if torch.cuda.device_count() < compute.processes:
            raise ConfigError(
                f"compute.processes: {compute.processes} need a GPU each; this machine has {torch.cuda.device_count()}"
            )


def launched_compute(config: Config) -> ComputeConfig:
    """Return the options that the processes of a run are started with.

    Processes that ask a model have no state of training to shard, whatever ``compute.strategy`` is. They see all devices, since
    the engine and each reward have an option of their own for it.
    """
    if config.stage.trains:
        return config.compute
    import torch

    return replace(config.compute, strategy="ddp", device="cuda" if torch.cuda.is_available() else "cpu")


def launch(
    folder: Path,
    compute: ComputeConfig,
    config: dict[str, Any],
    about: dict[str, Any],
    listen: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Run a stage on the processes that ``compute`` asks for.

    :param folder: folder of the run.
    :param config: resolved config of the run, which is saved for the processes.
    :param about: further facts for the processes.
    :param listen: called again and again while the processes run. It may end them by raising Pruned.
    :returns: the metrics of the first rank.
    :raises ConfigError, RunError: as the stage does; RunError also for any other failure of a process.
    """
    ranks = (folder / RANKS).absolute()
    shutil.rmtree(ranks, ignore_errors=True)
    ranks.mkdir()
    (ranks / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    write_json(ranks / ABOUT, {**about, "arguments": launch_arguments(compute, ranks)})
    if is_sharded(compute):
        release_stale_locks()
    process = subprocess.Popen(
        [sys.executable, "-m", "openr1.distributed.launcher", str(ranks)],
        stdin=subprocess.PIPE,
        env=os.environ | process_environment(compute),
        start_new_session=True,  # an interrupt on the terminal reaches this process only
    )
    assert process.stdin
    try:
        while not _ended(process):
            listen()
    except (Interrupted, Pruned):
        _interrupt(process)
        raise
    finally:
        process.stdin.close()
        process.wait()
    result = ranks / RESULT
    if process.returncode or not result.exists():
        raise read_failure(ranks, compute.processes)
    return json.loads(result.read_text())


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Wait for the end of the processes for a moment, and return True if it has come."""
    try:
        process.wait(LISTEN_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Have the processes save their state, and wait for their end as long as that may take."""
    assert process.stdin
    with suppress(BrokenPipeError, subprocess.TimeoutExpired):  # they have ended, or do not end
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.wait(INTERRUPT_SECONDS)


def process_environment(compute: ComputeConfig) -> dict[str, str]:
    """Return the environment variables that the processes have beside those of their parent."""
    if compute.device == "cuda":
        return {}
    # torch.load does not know accelerate's own name for a processor, cpu:0
    plain = {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_TORCH_DEVICE": "cpu"}
    return plain | ({"DS_ACCELERATOR": "cpu"} if is_sharded(compute) else {"ACCELERATE_USE_CPU": "true"})


def launch_arguments(compute: ComputeConfig, folder: Path) -> list[str]:
    """Return the command line arguments of ``accelerate launch``."""
    options = {
        "num_processes": compute.processes,
        "num_machines": 1,
        "main_process_port": compute.port,
        "mixed_precision": "no",  # the stage sets it
        "dynamo_backend": "no",
        "num_cpu_threads_per_process": threads_per_process(compute),
    }
    # accelerate calls one process a device --multi_gpu, for any device
    mode = "--use_deepspeed" if is_sharded(compute) else "--multi_gpu"
    return [mode, *(f"--{name}={value}" for name, value in options.items()), "--module", "openr1.runs.worker", str(folder)]


def threads_per_process(compute: ComputeConfig) -> int:
    """Return the number of CPU threads of one process."""
    return compute.threads or max(1, (os.cpu_count() or 1) // compute.processes)


def read_failure(folder: Path, processes: int) -> ConfigError | RunError:
    """Return the error that ended the processes: that of the rank that failed first, since the others fail because of it."""
    path = folder / FAILURE
    if not path.exists():
        return RunError(f"the processes could not be started; the log of their launcher is {folder / LOG}")
    failed = json.loads(path.read_text())
    rank, kind, text = failed["rank"], failed["kind"], failed["message"]
    if kind in ("ConfigError", "RunError"):  # all ranks raise the same
        return ConfigError(text) if kind == "ConfigError" else RunError(text)
    return RunError(f"rank {rank} of {processes}: {f'{kind}: ' if kind else ''}{text} (its log: {folder / log_name(rank)})")


def log_name(rank: int) -> str:
    """Return the name of the log file of a rank."""
    return f"rank-{rank}.log"


def main() -> None:
    """Call ``accelerate launch``, and record the rank that failed first."""
    folder = Path(sys.argv[1])
    sys.stderr = (folder / LOG).open("w")  # this process only: the first rank writes to the terminal
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    command = json.loads((folder / ABOUT).read_text())["arguments"]
    try:
        launch_command(launch_command_parser().parse_args(command))
    except ChildFailedError as error:
        write_json(folder / FAILURE, first_failure(error.failures))
        sys.exit(1)


def first_failure(failures: dict[int, Any]) -> dict[str, Any]:
    """Find the failure that caused the others.

    :param failures: torch's ``ProcessFailure`` by rank.
    :returns: its ``rank``, the ``kind`` of its error, and the ``message``.
    """

    def message(failed: Any) -> str:
        return failed.message if isinstance(failed.message, str) else failed.message["message"]

    def order(item: tuple[int, Any]) -> tuple:
        rank, failed = item
        # the launcher sends SIGTERM to the ranks that are left
        followed = failed.exitcode in ENDED_BY_SIGTERM or any(word in message(failed) for word in SECONDARY_ERRORS)
        return followed, failed.timestamp, rank

    rank, failed = min(failures.items(), key=order)
    if failed.exitcode < 0:
        return {"rank": rank, "kind": "", "message": f"killed by {failed.signal_name()}, perhaps because memory ran out"}
    kind, _, text = message(failed).partition(": ")
    lines = text.strip().splitlines()
    return {"rank": rank, "kind": kind, "message": lines[0] if lines else ""}


if __name__ == "__main__":
    main()
