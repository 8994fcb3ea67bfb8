"""Options of ``compute=``: the machine that one run executes on."""

from __future__ import annotations

from dataclasses import dataclass

from openr1.distributed.deepspeed import STRATEGIES
from openr1.errors import ConfigError
from openr1.options import one_of, positive


@dataclass
class ComputeConfig:
    """``compute=``: the devices and processes of one run. Only ``precision`` may change a result beyond rounding."""

    device: str = "cpu"  # cpu or cuda
    precision: str = "float32"  # float32 or bfloat16 (autocast)
    threads: int | None = 1  # CPU threads of the run; null for all cores
    parallel_trials: int = -1  # trials of a study that run at once on one machine; -1 for one a core
    processes: int = 1  # processes of a training stage, each with a device of its own; other stages use one
    strategy: str = "none"  # for several processes: ddp, zero2 or zero3
    port: int = 0  # port at which the processes find each other; 0 for a free one
    micro_batch: int | None = None  # most sequences in one forward pass on one device; null for all of a step
    gradient_checkpointing: bool = False
    compile: bool = False
    peak_flops: float | None = None  # peak FLOPs a second of one device at this precision, for model FLOPs utilisation
    price_per_hour: float | None = None  # price of one device, in any currency
    checkpoint_minutes: float | None = 10.0  # minutes between two checkpoints, at most; null for no limit
    checkpoint_steps: int | None = None  # steps between two checkpoints; null for no limit


def check_compute(compute: ComputeConfig) -> None:
    """Refuse impossible options of ``compute=``.

    :raises ConfigError: for the first key that is wrong.
    """
    one_of(compute.device, "compute.device", ("cpu", "cuda"))
    one_of(compute.precision, "compute.precision", ("float32", "bfloat16"))
    one_of(compute.strategy, "compute.strategy", ("none", "ddp", *STRATEGIES))
    counts = ("threads", "processes", "micro_batch", "checkpoint_minutes", "checkpoint_steps", "peak_flops", "price_per_hour")
    positive(compute, "compute", *counts)
    if compute.processes > 1 and compute.strategy == "none":
        raise ConfigError(f"compute.strategy: {compute.processes} processes need one of ddp, {', '.join(STRATEGIES)}")
    if not 0 <= compute.port < 2**16:
        raise ConfigError(f"compute.port: {compute.port} is not a port; give 0 for a free one")
