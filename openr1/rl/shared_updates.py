"""Updates on several ranks from the answers that they have on one process.

TRL shuffles the answers of a rank among its own updates, so that an update on several ranks would learn from other answers than
on one. Here all ranks exchange their answers, and each takes its part of the answers that an update has on one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from trl.models.utils import unwrap_model_for_generation

from openr1.distributed.collectives import broadcast_first, rank, world_size
from openr1.rl.sharing import passes_of_rank

if TYPE_CHECKING:
    from trl import GRPOTrainer as Base
else:
    Base = object


class SharedUpdates(Base):
    """Mixin of TRL's GRPOTrainer. On one process it changes nothing."""

    # attributes of the trainer
    _buffered_inputs: list[dict[str, torch.Tensor]] | None

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
