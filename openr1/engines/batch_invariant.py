"""Batch-invariant matrix products on a processor: the result of a row depends neither on the other rows nor on their number.

PyTorch's own products lay out the weights again in every call, and on AMD processors MKL leaves half of the vector unit idle.
With oneDNN and weights in its own layout, a step with 16 to 64 rows takes about half as long
(``tests/benchmarks/generation_speed.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations.moe import ExpertsInterface

from openr1.engines import compat
from openr1.engines.kv_cache import NAME, align

WORTHWHILE = 2**15  # elements of a weight; a call of oneDNN costs a few microseconds more


class PackedLinear(nn.Module):
    """A linear layer for inference in float32 on a processor; its weight cannot be read back."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.load(linear.weight)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def load(self, weight: Tensor) -> None:
        """Copy the weight in the layout of oneDNN; once more after it has changed in training."""
        self.weight = compat.reorder_linear_weight(weight)

    def forward(self, rows: Tensor) -> Tensor:
        return compat.apply_reordered_linear(rows, self.weight, self.bias)


def mix_experts(module: nn.Module, rows: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted sum of each row's experts.

    The rows of each expert are padded to a multiple of :data:`openr1.engines.kv_cache.ALIGN`.

    :param rows: [rows, width]
    :param chosen: indices of experts, [rows, experts of a row]; ``weights`` has the same shape.
    :returns: [rows, width]
    """
    parts = rows.new_zeros((*chosen.shape, rows.shape[-1]))
    for expert in chosen.unique().tolist():
        row, place = torch.where(chosen == expert)
        padded = rows.new_zeros((align(len(row)), rows.shape[-1]))
        padded[: len(row)] = rows[row]
        hidden = compat.apply_gate(module, nn.functional.linear(padded, module.gate_up_proj[expert]))
        parts[row, place] = nn.functional.linear(hidden, module.down_proj[expert])[: len(row)]
    return (parts * weights[..., None]).sum(1).to(rows.dtype)


ExpertsInterface.register(NAME, mix_experts)


def pack(model: PreTrainedModel) -> dict[str, PackedLinear]:
    """Replace the linear layers and experts of a model in float32 on a processor; leave any other model as it is.

    Under autocast it computes in 16 bits, which the layers of oneDNN do not take.

    :returns: the layers that hold a copy of their weights, by name.
    """
    packed: dict[str, PackedLinear] = {}
    if model.device.type != "cpu" or model.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
        return packed
    experts = compat.find_experts(model)
    if experts and all(map(compat.has_plain_experts, experts)):
        model.set_experts_implementation(NAME)
    if torch.backends.mkldnn.is_available():
        for name, module in list(model.named_modules()):
            if type(module) is nn.Linear and module.weight.numel() >= WORTHWHILE:
                packed[name] = PackedLinear(module)
                model.set_submodule(name, packed[name])
    return packed
