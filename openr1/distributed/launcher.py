"""One run on several processes: ``accelerate launch`` on the resolved config, which is saved beside the run.

The process of the run opens and closes the tracked run and publishes the artifact. The ranks train (:mod:`openr1.runs.worker`);
the first of them reports, and tracks the curves. They hold the other end of a pipe to the process that started them, and end
with it, however that ends.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from openr1.distributed.deepspeed import STRATEGIES, sharded
from openr1.errors import ConfigError, RunError
from openr1.files import write_json

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.distributed.options import ComputeConfig

RANKS = "ranks"  # in the folder of a run: what the processes are told, what they say, and their logs
CONFIG, ABOUT, RESULT, FAILURE, LOG = "config.yaml", "about.json", "result.json", "failure.json", "launch.log"
AFTERMATH = ("DistBackendError", "DistNetworkError", "DistStoreError", "gloo", "NCCL", "Connection closed by peer")


def is_distributed(config: Config) -> bool:
    """Whether a run is on several processes."""
    return config.compute.processes > 1 and config.stage.multiprocess


def check_machine(config: Config) -> None:
    """Refuse several processes that this environment or machine cannot run.

    :raises ConfigError: where DeepSpeed is not installed, and where there are too few GPUs.
    """
    if not is_distributed(config):
        return
    compute = config.compute
    if compute.strategy in STRATEGIES and importlib.util.find_spec("deepspeed") is None:
        raise ConfigError(f"compute.strategy: {compute.strategy} needs DeepSpeed: pip install 'openr1[deepspeed]'")
    if compute.device == "cuda":
        import torch

        if torch.cuda.device_count() < compute.processes:
            raise ConfigError(f"compute.processes: {compute.processes} need a GPU each; here are {torch.cuda.device_count()}")


def launch(folder: Path, compute: ComputeConfig, config: dict[str, Any], about: dict[str, Any]) -> dict[str, float]:
    """Run a stage on the processes that ``compute`` asks for.

    :param folder: of the run.
    :param config: of the run, resolved; saved for the processes.
    :param about: further facts for the processes.
    :returns: the metrics of the first rank.
    :raises ConfigError, RunError: as the stage does; RunError too for whatever ended one of the processes.
    """
    ranks = (folder / RANKS).absolute()
    shutil.rmtree(ranks, ignore_errors=True)
    ranks.mkdir()
    (ranks / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    write_json(ranks / ABOUT, {**about, "arguments": arguments(compute, ranks)})
    process = subprocess.Popen(
        [sys.executable, "-m", "openr1.distributed.launcher", str(ranks)],
        stdin=subprocess.PIPE,
        env=os.environ | environment(compute),
        start_new_session=True,  # an interrupt on the terminal is for this process only
    )
    try:
        process.wait()
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()
    result = ranks / RESULT
    if process.returncode or not result.exists():
        raise failure(ranks, compute.processes)
    return json.loads(result.read_text())


def environment(compute: ComputeConfig) -> dict[str, str]:
    """Of the processes, beside that of the process that starts them."""
    if compute.device == "cuda":
        return {}
    # accelerate's own name for a processor, cpu:0, is one that torch.load does not know
    plain = {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_TORCH_DEVICE": "cpu"}
    return plain | ({"DS_ACCELERATOR": "cpu"} if sharded(compute) else {"ACCELERATE_USE_CPU": "true"})


def arguments(compute: ComputeConfig, folder: Path) -> list[str]:
    """What ``accelerate launch`` is given."""
    options = {
        "num_processes": compute.processes,
        "num_machines": 1,
        "main_process_port": compute.port,
        "mixed_precision": "no",  # the stage asks for it
        "dynamo_backend": "no",
        "num_cpu_threads_per_process": threads(compute),
    }
    # --multi_gpu is what accelerate calls one process a device, whatever the device
    how = "--use_deepspeed" if sharded(compute) else "--multi_gpu"
    return [how, *(f"--{name}={value}" for name, value in options.items()), "--module", "openr1.runs.worker", str(folder)]


def threads(compute: ComputeConfig) -> int:
    """CPU threads of one process."""
    return compute.threads or max(1, (os.cpu_count() or 1) // compute.processes)


def failure(folder: Path, processes: int) -> ConfigError | RunError:
    """What ended the processes: the error of the rank that failed first; the others fail for want of it."""
    path = folder / FAILURE
    if not path.exists():
        return RunError(f"the processes could not be started; their launcher wrote {folder / LOG}")
    failed = json.loads(path.read_text())
    rank, kind, text = failed["rank"], failed["kind"], failed["message"]
    if kind in ("ConfigError", "RunError"):  # of what all ranks do alike
        return ConfigError(text) if kind == "ConfigError" else RunError(text)
    return RunError(f"rank {rank} of {processes}: {f'{kind}: ' if kind else ''}{text} (its log: {folder / log_name(rank)})")


def log_name(rank: int) -> str:
    return f"rank-{rank}.log"


def main() -> None:
    """The launcher: ``accelerate launch``, and a record of which rank failed first."""
    folder = Path(sys.argv[1])
    sys.stderr = (folder / LOG).open("w")  # of this process only: the first rank has the terminal
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    command = json.loads((folder / ABOUT).read_text())["arguments"]
    try:
        launch_command(launch_command_parser().parse_args(command))
    except ChildFailedError as error:
        write_json(folder / FAILURE, first(error.failures))
        sys.exit(1)


def first(failures: dict) -> dict:
    """Of what torch knows of the ranks that failed, the one that the others followed."""

    def said(failed) -> str:
        return failed.message if isinstance(failed.message, str) else failed.message["message"]

    def order(item: tuple) -> tuple:
        rank, failed = item
        # the launcher sends SIGTERM to the ranks that are left
        followed = failed.exitcode == -signal.SIGTERM or any(word in said(failed) for word in AFTERMATH)
        return followed, failed.timestamp, rank

    rank, failed = min(failures.items(), key=order)
    if failed.exitcode < 0:
        return {"rank": rank, "kind": "", "message": f"killed by {failed.signal_name()}, perhaps for want of memory"}
    kind, _, text = said(failed).partition(": ")
    lines = text.strip().splitlines()
    return {"rank": rank, "kind": kind, "message": lines[0] if lines else ""}


if __name__ == "__main__":
    main()
