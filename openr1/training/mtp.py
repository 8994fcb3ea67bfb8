"""The loss of multi-token prediction in training, beside that of the next token (:mod:`openr1.models.mtp`)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from openr1.distributed.collectives import all_reduce_sum, world_size
from openr1.models.mtp import MultiTokenPrediction
from openr1.training.context import StageContext
from openr1.training.schedule import weight_change

METRIC = "mtp_loss"


class MultiTokenLoss:
    """Mixin of a Trainer that trains the modules of its model, if it has any.

    The loss that is logged stays that of the next token, so that runs with and without modules are comparable. ``mtp_loss`` is
    the mean over the modules of their loss in nats a target, without its weight.
    """

    context: StageContext
    model: Any
    state: Any
    _metrics: dict[str, dict[str, list[float]]]
    _next_token_loss: Tensor  # of the last forward pass, without what the modules add to it

    @property
    def modules(self) -> MultiTokenPrediction | None:
        """Return the modules of the model; None for a model without any."""
        return getattr(self.model, "mtp", None)

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[misc]
        modules = self.modules
        if modules is None or modules.losses is None:
            return loss
        (sums, counts), modules.losses = modules.losses, None
        # like the loss of the next token: divided by the targets of the step on all ranks, whose gradients are then averaged
        factor = self.weight() * world_size() / (len(sums) * num_items_in_batch)
        self._note(sums.detach(), counts)
        self._next_token_loss = loss.detach()
        return loss + factor * sums.sum()

    def weight(self) -> float:
        """Return the weight of the modules' loss in the step under way."""
        options = self.context.config.model.mtp
        late = self.state.global_step >= weight_change(options, self.state.max_steps)
        return options.weight_late if late else options.weight

    def training_step(self, *arguments: Any, **options: Any) -> Tensor:
        """Return the loss of the next token, after a step that minimises the sum of both."""
        loss = super().training_step(*arguments, **options)  # type: ignore[misc]
        return loss if self.modules is None else self._next_token_loss

    def _note(self, sums: Tensor, counts: Tensor) -> None:
        totals = torch.stack([sums, counts.to(sums)])
        all_reduce_sum(totals)
        sums, counts = totals.double()
        if (counts > 0).all():  # answers may be too short for a further token
            self._metrics["train"][METRIC].append((sums / counts).mean().item())


class MultiTokenLog:
    """Mixin of a Trainer that logs the mean of ``mtp_loss``, as TRL's trainers log what they measure."""

    model: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._metrics: dict[str, dict[str, list[float]]] = {"train": defaultdict(list)}

    def log(self, logs: dict[str, float], *arguments: Any) -> None:
        measured = self._metrics["train"]
        if "loss" in logs:
            logs |= {name: sum(values) / len(values) for name, values in measured.items()}
            measured.clear()
        super().log(logs, *arguments)  # type: ignore[misc]
