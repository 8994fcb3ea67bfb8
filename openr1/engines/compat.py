"""Private parts of torch and transformers that the engines use, each with the version that it was read from.

``tests/openr1/engines/test_compat.py`` fails when one of them changes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


def reorder_linear_weight(weight: Tensor) -> Tensor:
    """Lay out the weight of a linear layer as oneDNN prefers (torch 2.13).

    ``torch.compile`` uses the same on a processor; the public ``torch.utils.mkldnn`` copies every input and output.
    """
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)


def apply_reordered_linear(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Apply a linear layer whose weight was reordered (torch 2.13)."""
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def find_experts(model: PreTrainedModel) -> list[Any]:
    """Return the modules that hold experts as stacked matrices, ``gate_up_proj`` and ``down_proj`` (transformers 5.17)."""
    return [module for module in model.modules() if hasattr(module, "gate_up_proj") and hasattr(module, "has_bias")]


def has_plain_experts(module: Any) -> bool:
    """Tell whether the experts have neither biases nor transposed matrices (transformers 5.17)."""
    return not (module.has_bias or module.is_transposed)


def apply_gate(module: nn.Module, hidden: Tensor) -> Tensor:
    """Apply the activation and the gate of an expert to the product with its ``gate_up_proj`` (transformers 5.17)."""
    return module._apply_gate(hidden)
