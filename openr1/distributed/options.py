"""Options of ``compute=``: the machine that one run executes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le

from openr1.options.ranges import Count, Minutes, OneOf, Or, Positive, Unit
from openr1.system.errors import ConfigError

ZERO_STAGES = {"zero2": 2, "zero3": 3}  # strategies of DeepSpeed -> the stage of ZeRO


@dataclass
class ComputeConfig:
    """``compute=``: the devices and processes of one run. Only ``precision`` may change a result beyond rounding."""

    device: Annotated[str, OneOf(("cpu", "cuda"))] = "cpu"  # cpu or cuda
    precision: Annotated[str, OneOf(("float32", "bfloat16"))] = "float32"  # float32 or bfloat16 (autocast)
    threads: Annotated[int, Ge(1), Le(4096)] | None = 1  # CPU threads of the run; null for all cores
    # trials of a study that run at once on one machine; -1 for one a core
    parallel_trials: Annotated[int, Ge(1), Le(10_000), Or(-1)] = -1
    # processes of a stage that trains or asks a model, each with a device of its own; other stages use one
    processes: Annotated[int, Ge(1), Le(65_536)] = 1
    strategy: Annotated[str, OneOf(("none", "ddp", *ZERO_STAGES))] = "none"  # for several processes: ddp, zero2 or zero3
    port: Annotated[int, Interval(ge=0, le=65_535)] = 0  # port at which the processes find each other; 0 for a free one
    micro_batch: Count | None = None  # most sequences in one forward pass on one device; null for all of a step
    gradient_checkpointing: bool = False
    compile: bool = False
    # peak FLOPs a second of one device at this precision, for model FLOPs utilisation; null for that of the GPU in bfloat16, if
    # openr1.distributed.peaks has it
    peak_flops: Annotated[float, Gt(0), Le(1e21), Unit("FLOPs a second")] | None = None
    price_per_hour: Positive | None = None  # price of one device, in any currency
    checkpoint_minutes: Minutes | None = 10.0  # minutes between two checkpoints, at most; null for no limit
    checkpoint_steps: Count | None = None  # steps between two checkpoints; null for no limit


def check_compute(compute: ComputeConfig) -> None:
    """Refuse impossible options of ``compute=``.

    :raises ConfigError: for the first key that is wrong.
    """
    if compute.processes > 1 and compute.strategy == "none":
        raise ConfigError(f"compute.strategy: {compute.processes} processes need one of ddp, {', '.join(ZERO_STAGES)}")
