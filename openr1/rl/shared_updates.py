"""Updates on several ranks that are those of one process: the answers of each update, and the counts that a loss divides by.

TRL shuffles the answers of a rank among its own updates, so that an update on several ranks would learn from other answers than
on one. Here all ranks exchange their answers, and each takes its part of the answers that an update has on one process.

TRL divides the losses ``dapo``, ``cispo`` and ``vespo`` by the number of tokens that count over all ranks, and the other losses
but ``bnpo`` by a number of answers, which is the same on each rank. ``bnpo`` and the entropy bonus are means over the tokens of
each rank, so that tokens of a rank with few would weigh more; here they are means over the tokens of all ranks. A token that is
masked out (of an answer that was cut off, or of a group that is dropped) is in none of these numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from trl.models.utils import unwrap_model_for_generation

from openr1.distributed.collectives import all_reduce_sum, broadcast_first, rank, world_size
from openr1.rl.sharing import passes_of_rank

if TYPE_CHECKING:
    from trl import GRPOTrainer as Base
else:
    Base = object


class SharedUpdates(Base):
    """Mixin of TRL's GRPOTrainer. On one process it changes nothing."""

    # attributes of the trainer
    _buffered_inputs: list[dict[str, torch.Tensor]] | None
    entropy_coef: float
    loss_type: str

    @contextmanager
    def whole_weights(self) -> Iterator[None]:
        """Gather the weights that ZeRO-3 shards in the memory of each rank, for passes that ranks make by themselves."""
        if not self.is_deepspeed_enabled or self.model_wrapped.zero_optimization_stage() < 3:
            yield
            return
        checkpointing = self.args.gradient_checkpointing_kwargs
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator, gradient_checkpointing_kwargs=checkpointing):
            yield

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """Return the answers of this rank's next forward pass, from a new rollout if the last one has been learned from."""
        if world_size() == 1:
            return super()._prepare_inputs(generation_batch)
        passes = self.args.steps_per_generation
        if self._step % (passes * self.num_iterations) == 0 or self._buffered_inputs is None:
            answers = self._all_ranks_answers(self._generate_and_score_completions(generation_batch))
            # the numbers by which one process shuffles, unless something has drawn others on one of the ranks
            order = broadcast_first(torch.randperm(len(answers["advantages"])).tolist())
            self._buffered_inputs = [
                {name: value if value.ndim == 0 else value[rows] for name, value in answers.items()}
                for rows in passes_of_rank(order, passes, rank(), world_size())
            ]
        return self._buffered_inputs[self._step % passes]

    def _all_ranks_answers(self, own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the tensors of all ranks' answers, in the order of the ranks, padded to the longest of all."""
        padding = {"prompt_ids": self._tokenizer.pad_token_id, "completion_ids": self._tokenizer.pad_token_id}
        answers = {}
        for name, value in own.items():
            if value.ndim > 1:
                value = self.accelerator.pad_across_processes(
                    value, dim=1, pad_index=padding.get(name, 0), pad_first=name.startswith("prompt_")
                )
            answers[name] = value if value.ndim == 0 else self.accelerator.gather(value.contiguous())
        return answers

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Compute the loss of a forward pass, whose mean over the ranks is that of all their answers."""
        if world_size() == 1:
            return super()._compute_loss(model, inputs)
        loss_type, coefficient = self.loss_type, self.entropy_coef
        mask = inputs["completion_mask"] * inputs.get("tool_mask", 1)
        own, total = _own_and_all(mask.sum())
        if loss_type == "bnpo":  # it is dapo with the number of tokens of this pass instead of that of the rollout
            self.loss_type = "dapo"
            inputs = {**inputs, "num_items_in_batch": total * self.args.steps_per_generation}
        try:
            self._weigh_entropy(own, total)
            return super()._compute_loss(model, inputs)
        finally:
            self.loss_type, self.entropy_coef = loss_type, coefficient

    def get_high_entropy_mask(self, entropies: torch.Tensor, mask: torch.Tensor, threshold: float) -> torch.Tensor:
        """Return the mask of the tokens of highest entropy among all ranks', on which the entropy bonus acts too."""
        high = super().get_high_entropy_mask(entropies, mask, threshold)
        if world_size() > 1:
            self._weigh_entropy(*_own_and_all(high.sum()))
        return high

    def _weigh_entropy(self, own: torch.Tensor, total: torch.Tensor) -> None:
        """Have the entropy bonus of this rank, a mean over its own tokens, count as much as its share of all ranks' tokens."""
        self.entropy_coef = self.args.entropy_coef * (own * world_size() / total.clamp(min=1)).item()


def _own_and_all(count: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a count of this rank, and the sum over all ranks."""
    total = count.detach().clone()
    all_reduce_sum(total)
    return count, total
