"""Even use of experts without an auxiliary loss, as DeepSeek-V3 is trained (arXiv 2408.15664, algorithm 1).

``transformers`` adds a bias to the scores that choose experts but never updates it, so that a model trained from scratch
would leave experts unused.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import TrainerCallback

from openr1.distributed.collectives import all_reduce_sum

RATE = 1e-3  # change of the bias in a step (DeepSeek-V3, arXiv 2412.19437, section 4.2)


class LoadBalance(TrainerCallback):
    """A callback that raises the bias of experts with fewer tokens than the mean after each step, and lowers it for the others.

    :ivar loads: [experts] for each router: tokens routed to each expert in this step so far.
    """

    def __init__(self, model: nn.Module, rate: float = RATE) -> None:
        self.rate = rate
        self.routers = [module for module in model.modules() if hasattr(module, "e_score_correction_bias")]
        self.loads = [torch.zeros_like(router.e_score_correction_bias) for router in self.routers]
        for router, load in zip(self.routers, self.loads, strict=True):
            router.register_forward_hook(lambda router, _, output, load=load: self._count(router, output, load))

    @staticmethod
    def _count(router: nn.Module, output: tuple, load: torch.Tensor) -> None:
        if router.training:
            chosen = output[2].flatten()
            load += torch.bincount(chosen, minlength=len(load)).to(load)

    def on_optimizer_step(self, args, state, control, **_) -> None:
        for router, load in zip(self.routers, self.loads, strict=True):
            all_reduce_sum(load)
            router.e_score_correction_bias += self.rate * torch.sign(load.mean() - load)
            load.zero_()
