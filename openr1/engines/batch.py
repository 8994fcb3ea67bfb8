"""Continuous batching: a step adds a token to each completion under way, and new completions join in the same pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel

from openr1.engines.batch_invariant import PackedLinear, pack
from openr1.engines.kv_cache import NAME, ForwardPass, JoiningPrompt, Slots, align, attention
from openr1.system.errors import ConfigError

AttentionInterface.register(NAME, attention)


class Batch:
    """The completions under way, one a slot, without gaps between them.

    :param slots: maximum number of completions.
    :ivar items: an object of the caller for each completion.
    :ivar rows: of the newest tokens in the last forward pass, and of the drafts if there were any, the unused ones included.
    :ivar joined: the prompts that joined in it.
    """

    def __init__(self, model: PreTrainedModel, slots: int) -> None:
        self.model = model
        self.slots = Slots(align(slots))
        self.items: list[Any] = []
        self.lengths: list[int] = []  # of each completion, the tokens whose keys and values are in its slot
        self.rows = 0
        self.joined: list[JoiningPrompt] = []

    @torch.inference_mode()
    def step(
        self,
        tokens: Sequence[int],
        prompts: Sequence[tuple[Sequence[int], Sequence[Any]]] = (),
        drafts: Sequence[int] = (),
    ) -> Tensor:
        """Run one forward pass.

        :param tokens: the newest token of each completion under way.
        :param drafts: with speculation, a guess at the token after each of them. Its keys come into the slot, but count only
            if the caller adds it to ``lengths``.
        :param prompts: token ids of each prompt that joins, and the items that begin with it. A prompt is computed once for
            all of them.
        :returns: logits [completions + drafts, vocabulary] of the next token of each completion, those that joined included,
            and then of the token after each draft.
        """
        device, rows = self.model.device, align(len(tokens))
        unused = [0] * (rows - len(tokens))
        ids, positions, joining = [*tokens, *unused], [*self.lengths, *unused], []
        if drafts:
            ids += [*drafts, *unused]
            positions += [*(length + 1 for length in self.lengths), *unused]
        blocks = 2 if drafts else 1
        last, repeats = list(range(len(tokens))), [1] * len(tokens)
        for prompt, items in prompts:
            slots = slice(len(self.items), len(self.items) + len(items))
            joining.append(JoiningPrompt(len(ids), len(ids) + len(prompt), slots))
            ids += prompt
            positions += range(len(prompt))
            last.append(len(ids) - 1)
            repeats.append(len(items))
            self.items += items
            self.lengths += [len(prompt)] * len(items)
        for i in range(len(tokens)):
            self.lengths[i] += 1
        last += range(rows, rows + len(drafts))
        repeats += [1] * len(drafts)

        spare = align(len(ids)) - len(ids)
        length = align(max(self.lengths) + blocks - 1)
        self.slots.reserve(length)
        places = torch.tensor(positions + [0] * spare, device=device)
        kept = last + [last[-1]] * (align(len(last)) - len(last))
        output = self.model(
            input_ids=torch.tensor([ids + [0] * spare], device=device),
            position_ids=places[None],
            use_cache=False,
            logits_to_keep=torch.tensor(kept, device=device),
            slots=ForwardPass(self.slots, places[: blocks * rows].view(blocks, rows), length, joining),
        )
        self.rows, self.joined = rows, joining
        logits = output.logits[0, : len(last)]
        return logits.repeat_interleave(torch.tensor(repeats, device=device), dim=0) if max(repeats) > 1 else logits

    @torch.inference_mode()
    def remove(self, index: int) -> Any:
        """Remove a completion and return its item. The last completion moves to the free slot."""
        item, moved, length = self.items[index], self.items.pop(), self.lengths.pop()
        if index < len(self.items):
            self.slots.move(len(self.items), index, length)
            self.items[index], self.lengths[index] = moved, length
        return item


def prepare(model: PreTrainedModel) -> dict[str, PackedLinear]:
    """Prepare a model for :class:`Batch`, and verify that its logits there are those of its own attention.

    :returns: the layers that hold a copy of their weights, by name.
    :raises ConfigError: for an architecture that does not use the attention interface of transformers.
    """
    ids = torch.arange(24, device=model.device) * 7 % model.config.get_text_config().vocab_size
    refusal = f"engine.kind: transformers cannot run a {model.config.model_type} in batches; use vllm or openai"
    with torch.inference_mode():
        expected = model(input_ids=ids[None], use_cache=False).logits[0, 15:].float()
        packed = pack(model)
        try:
            model.set_attn_implementation(NAME)
            batch = Batch(model, 1)
            logits = [batch.step([], [(ids[:16].tolist(), [None])])]
            logits += [batch.step([token]) for token in ids[16:].tolist()]
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ConfigError(refusal) from error
    # a wrong pass is off by about the standard deviation of the logits, rounding in bfloat16 by a hundredth of it
    if not (torch.cat(logits).float() - expected).abs().mean() < 0.05 * expected.std():
        raise ConfigError(refusal)
    return packed
