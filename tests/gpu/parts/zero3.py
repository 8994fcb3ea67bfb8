"""ZeRO-3 on one device: steps of DeepSpeed, with the losses of a run without it."""

import importlib.util
import os
import socket
from dataclasses import replace

from accelerate.state import AcceleratorState
from helpers.configs import composed, write_text

from openr1.distributed import deepspeed
from openr1.distributed.launcher import process_environment
from openr1.runs.stage_run import run_stage

STEPS = 4
TOLERANCE = {"cpu": 1e-2, "cuda": 1e-2}  # relative; bfloat16 rounds to 0.4 %, and DeepSpeed casts in other places


def run(setting, figures) -> None:
    if importlib.util.find_spec("deepspeed") is None:
        figures.add("ZeRO-3 on one device", None, note="left out: DeepSpeed is not installed (the extra deepspeed)")
        return
    words = ["data=files", f"data.sources.files.path={write_text(figures.folder / 'text_zero3.jsonl')}"]
    words += [
        f"budget.steps={STEPS}",
        f"stage.log_points={STEPS}",
        "stage.eval_points=1",
        f"paths.cache={figures.folder}/cache",
    ]
    plain = run_stage(composed(*setting.small, *words, f"paths.outputs={figures.folder}/plain"), quiet=True).artifact
    config = composed(*setting.small, *words, f"paths.outputs={figures.folder}/zero3", "compute.strategy=zero3")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # a group of one process, as accelerate launch makes it; the config itself takes one process for a run without DeepSpeed
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"ACCELERATE_USE_DEEPSPEED": "true", **process_environment(replace(config.compute, processes=2))}
    AcceleratorState._reset_state(reset_partial_state=True)  # that of the run before
    deepspeed.is_sharded = lambda compute: compute.strategy in deepspeed.ZERO_STAGES
    sharded = run_stage(config, quiet=True).artifact
    rows = [[row for row in artifact.history() if "train_loss" in row] for artifact in (plain, sharded)]
    value = max(abs(one["train_loss"] / other["train_loss"] - 1) for one, other in zip(*rows, strict=True))
    note = f"{STEPS} steps beside a run without DeepSpeed"
    figures.add("ZeRO-3: relative difference of train_loss", value, at_most=TOLERANCE[setting.device], note=note)
    value = abs(sharded.metrics["eval_loss"] / plain.metrics["eval_loss"] - 1)
    figures.add("ZeRO-3: relative difference of eval_loss", value, at_most=TOLERANCE[setting.device])
    seconds = [(run[-1]["seconds"] - run[0]["seconds"]) / (STEPS - 1) for run in rows]
    figures.add("ZeRO-3: seconds a step", seconds[1], "s", note=f"{seconds[0]:.3g} s without DeepSpeed")
    peaks = [artifact.metrics["peak_memory_bytes"] / 2**30 for artifact in (plain, sharded)]
    figures.add("ZeRO-3: peak memory", peaks[1], "GiB", note=f"{peaks[0]:.3g} GiB without DeepSpeed")
