"""Muon: momentum whose matrices are made orthogonal before each step (Keller Jordan 2024; arXiv 2502.16982), beside AdamW.

``torch.optim.Muon`` takes no tensors that stack matrices, such as the experts of a layer, and no vectors, which would need a
second optimiser with a state and a schedule of its own. This class is one optimiser for all tensors: a schedule, a checkpoint
and a resume treat it as AdamW.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import AdamW

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration, chosen for few steps
SMALLEST_NORM = 1e-7
STACKED_GATES = "gate_up_proj"  # an expert's gate and up matrices, which transformers stacks along the outputs


class Muon(AdamW):
    """Muon for groups of parameters with ``muon=True``, and AdamW for all others.

    A group of Muon has ``lr``, ``weight_decay``, ``momentum``, ``nesterov``, ``steps``, ``scale`` (a name in
    :func:`update_scale`) and ``halves``: whether each matrix stacks two along its outputs. Its parameters are matrices (A, B),
    or stacks of them (n, A, B).
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the state, of which AdamW would read the number of steps of every parameter."""
        groups = state["param_groups"]
        super().__setstate__(state | {"param_groups": [group for group in groups if not group.get("muon")]})
        self.param_groups = groups

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step with the gradients of the parameters."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group.get("muon")]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group.get("muon"):
                self._step_matrices(group)
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        # matrices of one size are made orthogonal together, since small products cost little more than their calls
        stacks: dict[tuple[int, int], list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(parameter.grad)
            momentum = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
            update = parameter.grad.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            weights, updates = (matrices(tensor, group["halves"]) for tensor in (parameter, update))
            stacks[weights.shape[-2], weights.shape[-1]].append((weights, updates))
        for (rows, columns), pairs in stacks.items():
            orthogonal = orthogonalise(torch.cat([updates for _, updates in pairs]), group["steps"])
            size = group["lr"] * update_scale(group["scale"], rows, columns)
            for (weights, _), change in zip(pairs, orthogonal.split([len(weights) for weights, _ in pairs]), strict=True):
                weights.add_(change.to(weights.dtype), alpha=-size)


def matrices(tensor: torch.Tensor, halves: bool) -> torch.Tensor:
    """Return a view (n, A, B) of the matrices that a parameter (A, B) or (n, A, B) holds."""
    stacked = tensor if tensor.ndim == 3 else tensor[None]
    return stacked.view(2 * len(stacked), stacked.shape[1] // 2, stacked.shape[2]) if halves else stacked


def update_scale(name: str, rows: int, columns: int) -> float:
    """Return the factor on an orthogonal update of a matrix (rows, columns).

    ``original`` (Keller Jordan 2024) gives an update of spectral norm sqrt(max(1, rows / columns)), ``match_rms_adamw`` one
    whose elements have a root mean square of 0.2, which AdamW's have too (Moonlight, arXiv 2502.16982, section 2.2).
    """
    return math.sqrt(max(1.0, rows / columns)) if name == "original" else 0.2 * math.sqrt(max(rows, columns))


def orthogonalise(stack: torch.Tensor, steps: int) -> torch.Tensor:
    """Return matrices (n, A, B) with the singular vectors of the given ones, and singular values between about 0.7 and 1.2.

    The products are in bfloat16 on a GPU, as published, and in float32 on a processor, where that is faster.
    """
    a, b, c = COEFFICIENTS
    x = stack.to(torch.bfloat16 if stack.is_cuda else torch.float32)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=SMALLEST_NORM)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def is_stacked_gates(name: str) -> bool:
    """Return True for a parameter whose matrices stack an expert's gate and up matrices."""
    return name.endswith(STACKED_GATES)
