"""DeepSpeed's ZeRO (arXiv 1910.02054) as Trainer takes it: stage 2 shards gradients and optimiser state, stage 3 weights too.

bfloat16 is torch's autocast, as in any other run, and the weights stay in float32: a result does not depend on the strategy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Trainer

    from openr1.distributed.options import ComputeConfig

COMPLETE = "complete"  # marks a checkpoint that was written to its end, and holds its layout
STRATEGIES = {"zero2": 2, "zero3": 3}


def sharded(compute: ComputeConfig) -> bool:
    """Whether DeepSpeed runs the training."""
    return compute.processes > 1 and compute.strategy in STRATEGIES


def layout(compute: ComputeConfig) -> str:
    """What the checkpoints of a run are for: those of sharded training for as many processes, all others for any number."""
    return f"{compute.strategy} of {compute.processes}" if sharded(compute) else ""


def settings(compute: ComputeConfig) -> dict[str, Any]:
    """The DeepSpeed config of a run; ``auto`` is filled in by transformers from the arguments of the Trainer."""
    stage = STRATEGIES[compute.strategy]
    zero = {"stage": stage, "contiguous_gradients": True, "overlap_comm": compute.device == "cuda"}
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


def arguments(compute: ComputeConfig) -> dict[str, Any]:
    """Keyword arguments of ``TrainingArguments`` that differ from those of any other run."""
    found: dict[str, Any] = {"deepspeed": settings(compute), "bf16": False}
    if compute.device == "cpu":
        from accelerate import PartialState

        # accelerate has DeepSpeed on accelerators only; a state that is made beforehand lets it work on processors
        PartialState(backend="gloo")
        found |= {"use_cpu": False, "accelerator_config": {"use_configured_state": True}}
    return found


def collect(trainer: Trainer) -> None:
    """Put the weights of a model that is sharded over the ranks together, in the memory of the first; its training is over."""
    if not trainer.is_deepspeed_enabled or trainer.model_wrapped.zero_optimization_stage() < 3:
        return
    from torch import nn

    for name, tensor in (trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}).items():
        owner, _, attribute = name.rpartition(".")
        module = trainer.model.get_submodule(owner)
        if attribute in dict(module.named_parameters(recurse=False)):
            module.register_parameter(attribute, nn.Parameter(tensor, requires_grad=False))
