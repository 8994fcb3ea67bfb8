"""DeepSpeed's ZeRO (arXiv 1910.02054) for Trainer: stage 2 shards gradients and optimiser state, stage 3 the weights too.

bfloat16 is torch's autocast, as in any other run, and the weights stay in float32, so a result does not depend on the strategy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.distributed.options import ZERO_STAGES, ComputeConfig

if TYPE_CHECKING:
    from transformers import Trainer

COMPLETE_FILE = "complete"  # in a checkpoint that was written to its end; it holds the layout


def is_sharded(compute: ComputeConfig) -> bool:
    """Return True if DeepSpeed runs the training."""
    return compute.processes > 1 and compute.strategy in ZERO_STAGES


def checkpoint_layout(compute: ComputeConfig) -> str:
    """Return the layout of a run's checkpoints, which only a run of the same layout can resume from.

    Checkpoints of sharded training fit one number of processes; all others fit any.
    """
    return f"{compute.strategy} of {compute.processes}" if is_sharded(compute) else ""


def deepspeed_config(compute: ComputeConfig) -> dict[str, Any]:
    """Return the DeepSpeed config of a run. transformers replaces ``auto`` by the arguments of the Trainer."""
    stage = ZERO_STAGES[compute.strategy]
    zero: dict[str, Any] = {"stage": stage, "contiguous_gradients": True, "overlap_comm": compute.device == "cuda"}
    if stage == 3:
        buckets = ("reduce_bucket_size", "stage3_prefetch_bucket_size", "stage3_param_persistence_threshold")
        zero |= {**dict.fromkeys(buckets, "auto"), "stage3_gather_16bit_weights_on_model_save": True}
    sizes = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    return {
        **dict.fromkeys(sizes, "auto"),
        "zero_optimization": zero,
        "bf16": {"enabled": False},
        "torch_autocast": {"enabled": compute.precision == "bfloat16", "dtype": "bfloat16"},
        "steps_per_print": 10**9,
    }


def release_stale_locks() -> None:
    """Remove the locks in torch's cache of compiled extensions that no process holds.

    DeepSpeed compiles operations when it starts. torch waits without end for the lock of a compilation, which stays behind when
    the process that compiles is killed. The process that holds a lock has it open until the compilation ends.
    """
    import psutil
    from torch.utils.cpp_extension import get_default_build_root

    root = Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root())
    if not (locks := {path.resolve() for path in root.rglob("lock")}):
        return
    for process in psutil.process_iter():
        try:
            locks -= {Path(file.path) for file in process.open_files()}
        except psutil.Error:  # it has ended, or is another user's, who has another cache
            continue
    for path in locks:
        path.unlink(missing_ok=True)


def training_arguments(compute: ComputeConfig) -> dict[str, Any]:
    """Return the keyword arguments of ``TrainingArguments`` that differ from those of any other run."""
    arguments: dict[str, Any] = {"deepspeed": deepspeed_config(compute), "bf16": False}
    if compute.device == "cpu":
        from accelerate import PartialState

        # accelerate allows DeepSpeed on accelerators only, unless its state has been initialised beforehand
        PartialState(backend="gloo")
        arguments |= {"use_cpu": False, "accelerator_config": {"use_configured_state": True}}
    return arguments


def gather_weights(trainer: Trainer) -> None:
    """Gather the weights of a model that is sharded over the ranks in the memory of the first rank, after training."""
    if not trainer.is_deepspeed_enabled or trainer.model_wrapped.zero_optimization_stage() < 3:
        return
    from torch import nn

    for name, tensor in (trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}).items():
        owner, _, attribute = name.rpartition(".")
        module = trainer.model.get_submodule(owner)
        if attribute in dict(module.named_parameters(recurse=False)):
            module.register_parameter(attribute, nn.Parameter(tensor, requires_grad=False))
