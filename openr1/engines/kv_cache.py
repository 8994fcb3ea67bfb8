"""Keys and values of the completions under way, and the attention over them.

A forward pass is one row of tokens: the newest token of each completion, then whole prompts that join. transformers calls
:func:`attention` in place of its own (its ``AttentionInterface``) and needs no cache, no mask and no padding of its own.

Each completion has a slot, its keys lie there from the left, and a step attends over all slots at once. So a row meets the
same numbers in the same places whatever shares the batch, and kernels that treat rows alike give it the same result to the bit.
Sizes are kept to multiples of :data:`ALIGN`, because kernels compute a last odd part by other instructions than the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

ALIGN = 16
NAME = "openr1_slots"


def align(size: int) -> int:
    """The next multiple of :data:`ALIGN`."""
    return -(-size // ALIGN) * ALIGN


@dataclass(frozen=True)
class Prompt:
    """A prompt that joins in a pass."""

    start: int  # in the row of tokens
    stop: int
    slots: slice  # of the completions that begin with it


@dataclass
class Pass:
    """What is where in one forward pass."""

    slots: Slots
    positions: Tensor  # [decoding]: where in its slot the token of each completion goes
    length: int  # of the longest slot, this pass included
    prompts: list[Prompt] = field(default_factory=list)
    masks: dict[int | None, Tensor] = field(default_factory=dict)

    def mask(self, window: int | None) -> Tensor:
        """[decoding, 1, 1, length]: the keys that each completion sees."""
        if window not in self.masks:
            place, last = torch.arange(self.length, device=self.positions.device)[None], self.positions[:, None]
            seen = place <= last
            if window is not None:
                seen &= place > last - window
            self.masks[window] = seen[:, None, None]
        return self.masks[window]


class Slots:
    """Keys and values by layer, [slots, heads, tokens, head size]."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.capacity = 256  # tokens of a slot, for now
        self.layers: dict[int, list[Tensor]] = {}

    def layer(self, index: int, key: Tensor, value: Tensor) -> list[Tensor]:
        if index not in self.layers:
            # zeros, since what no mask lets through must still be finite
            shapes = [(self.count, one.shape[1], self.capacity, one.shape[-1]) for one in (key, value)]
            self.layers[index] = [key.new_zeros(shape) for shape in shapes]
        return self.layers[index]

    def reserve(self, length: int) -> None:
        """Room for so many tokens in each slot."""
        if length <= self.capacity:
            return
        before, self.capacity = self.capacity, align(max(length, 2 * self.capacity))
        for tensors in self.layers.values():
            for i, old in enumerate(tensors):
                tensors[i] = old.new_zeros((*old.shape[:2], self.capacity, old.shape[-1]))
                tensors[i][:, :, :before] = old

    def move(self, source: int, target: int, length: int) -> None:
        for tensors in self.layers.values():
            for tensor in tensors:
                tensor[target, :, :length] = tensor[source, :, :length]


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    slots: Pass | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of one pass; keys and values go to their slots.

    :param query: [1, heads, tokens, size]; key and value [1, key-value heads, tokens, size]
    :param slots: the pass, as handed to the model's forward method.
    :returns: [1, tokens, heads, size]
    """
    heads, groups = query.shape[1], query.shape[1] // key.shape[1]
    out = value.new_zeros((1, query.shape[2], heads, value.shape[-1]))  # zero where the row is filled up
    keys, values = slots.slots.layer(module.layer_idx, key, value)
    rows = len(slots.positions)
    if rows:
        index = torch.arange(rows, device=key.device)
        keys[index, :, slots.positions] = key[0, :, :rows].transpose(0, 1)
        values[index, :, slots.positions] = value[0, :, :rows].transpose(0, 1)
        # the query heads that share a key head become its queries, so that keys are not copied for each
        grouped = query[0, :, :rows].transpose(0, 1).reshape(rows, -1, groups, query.shape[-1])
        mixed = scaled_dot_product_attention(
            grouped,
            keys[:rows, :, : slots.length],
            values[:rows, :, : slots.length],
            attn_mask=slots.mask(sliding_window).expand(-1, -1, groups, -1),
            scale=scaling,
        )
        out[0, :rows] = mixed.reshape(rows, heads, -1)
    for prompt in slots.prompts:
        part, length = slice(prompt.start, prompt.stop), prompt.stop - prompt.start
        mask = None if sliding_window is None or length <= sliding_window else _window(length, sliding_window, key.device)
        mixed = scaled_dot_product_attention(
            query[:, :, part],
            key[:, :, part],
            value[:, :, part],
            attn_mask=mask,
            is_causal=mask is None,
            scale=scaling,
            enable_gqa=groups > 1,
        )
        out[:, part] = mixed.transpose(1, 2)
        keys[prompt.slots, :, :length], values[prompt.slots, :, :length] = key[:, :, part], value[:, :, part]
    return out, None


def _window(length: int, window: int, device: torch.device) -> Tensor:
    places = torch.arange(length, device=device)
    distance = places[:, None] - places[None]
    return (distance >= 0) & (distance < window)
