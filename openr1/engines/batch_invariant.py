"""Matrix products on a processor, in which a row's result depends neither on the other rows nor on how many there are.

PyTorch's own lay out the weights again in every call, and on AMD processors MKL leaves half of the vector unit idle. With
oneDNN and weights in its own layout, a step with 16 to 64 rows takes about half as long
(``tests/benchmarks/generation_speed.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.integrations.moe import ExpertsInterface

from openr1.engines.kv_cache import NAME, align

WORTHWHILE = 2**15  # elements of a weight; a call of oneDNN costs a few microseconds more


class PackedLinear(nn.Module):
    """A linear layer for inference in float32 on a processor; its weight cannot be read back."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.take(linear.weight)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def take(self, weight: Tensor) -> None:
        """Lay out the weight, or what has become of it."""
        # what torch.compile makes of a linear layer on a processor; the public torch.utils.mkldnn copies every input and output
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)

    def forward(self, rows: Tensor) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")


def experts(module: nn.Module, rows: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Compute the weighted sum of each row's experts.

    The rows of each expert are filled up to a multiple of :data:`openr1.engines.kv_cache.ALIGN`.

    :param rows: [rows, width]
    :param chosen: [rows, experts of a row], and ``weights`` likewise
    """
    parts = rows.new_zeros((*chosen.shape, rows.shape[-1]))
    for expert in chosen.unique().tolist():
        row, place = torch.where(chosen == expert)
        filled = rows.new_zeros((align(len(row)), rows.shape[-1]))
        filled[: len(row)] = rows[row]
        hidden = module._apply_gate(nn.functional.linear(filled, module.gate_up_proj[expert]))
        parts[row, place] = nn.functional.linear(hidden, module.down_proj[expert])[: len(row)]
    return (parts * weights[..., None]).sum(1).to(rows.dtype)


ExpertsInterface.register(NAME, experts)


def pack(model: PreTrainedModel) -> dict[str, PackedLinear]:
    """Prepare a model in float32 on a processor; any other is left as it is.

    :returns: the layers that hold a copy of their weights, by name.
    """
    packed: dict[str, PackedLinear] = {}
    if model.device.type != "cpu" or model.dtype != torch.float32:
        return packed
    mixtures = [module for module in model.modules() if hasattr(module, "gate_up_proj") and hasattr(module, "has_bias")]
    if mixtures and not any(one.has_bias or one.is_transposed for one in mixtures):
        model.set_experts_implementation(NAME)
    if torch.backends.mkldnn.is_available():
        for name, module in list(model.named_modules()):
            if type(module) is nn.Linear and module.weight.numel() >= WORTHWHILE:
                packed[name] = PackedLinear(module)
                model.set_submodule(name, packed[name])
    return packed
