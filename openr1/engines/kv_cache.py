"""Keys and values of the completions under way, and the attention over them.

A forward pass is one row of tokens: the newest token of each completion, then with speculation a draft of the token after it,
then the whole prompts that join. transformers calls :func:`attention` instead of its own attention (its
``AttentionInterface``), so that it needs no cache, mask or padding.

Each completion has a slot in which its keys are stored from the left, and a step attends over all slots at once. A row thus
meets the same numbers in the same places whatever shares the batch, and kernels that treat rows alike give it the same result
to the bit. The drafts attend in a step of their own, which has the same form. Sizes are multiples of :data:`ALIGN`, because
kernels compute a remainder with other instructions.
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
    """Round up to a multiple of :data:`ALIGN`."""
    return -(-size // ALIGN) * ALIGN


@dataclass(frozen=True)
class JoiningPrompt:
    """A prompt that joins in a forward pass."""

    start: int  # place in the row of tokens
    stop: int
    slots: slice  # slots of the completions that begin with it


@dataclass
class ForwardPass:
    """The layout of one forward pass."""

    slots: Slots
    positions: Tensor  # [blocks, decoding]: place of each completion's newest token in its slot, and of its draft
    length: int  # of the longest slot, the tokens of this pass included
    prompts: list[JoiningPrompt] = field(default_factory=list)
    masks: dict[tuple[int, int | None], Tensor] = field(default_factory=dict)

    def mask(self, block: int, window: int | None) -> Tensor:
        """Return the keys that each token of a block attends to: [decoding, 1, 1, length]."""
        if (block, window) not in self.masks:
            place, last = torch.arange(self.length, device=self.positions.device)[None], self.positions[block][:, None]
            visible = place <= last
            if window is not None:
                visible &= place > last - window
            self.masks[block, window] = visible[:, None, None]
        return self.masks[block, window]


class Slots:
    """The keys and values of each layer, [slots, heads, tokens, head size]."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.capacity = 256  # tokens of a slot; grows as needed
        self.layers: dict[int, list[Tensor]] = {}

    def layer(self, index: int, key: Tensor, value: Tensor) -> list[Tensor]:
        """Return the keys and values of a layer, which are allocated in the form of ``key`` and ``value`` at first."""
        if index not in self.layers:
            # zeros, since masked values must still be finite
            shapes = [(self.count, tensor.shape[1], self.capacity, tensor.shape[-1]) for tensor in (key, value)]
            self.layers[index] = [key.new_zeros(shape) for shape in shapes]
        return self.layers[index]

    def reserve(self, length: int) -> None:
        """Make room for ``length`` tokens in each slot."""
        if length <= self.capacity:
            return
        before, self.capacity = self.capacity, align(max(length, 2 * self.capacity))
        for tensors in self.layers.values():
            for i, old in enumerate(tensors):
                tensors[i] = old.new_zeros((*old.shape[:2], self.capacity, old.shape[-1]))
                tensors[i][:, :, :before] = old

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` tokens of a slot to another."""
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
    *,
    slots: ForwardPass,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute the attention of one forward pass, and store its keys and values in their slots.

    :param query: [1, heads, tokens, size]; ``key`` and ``value`` are [1, key-value heads, tokens, size].
    :param slots: the layout of the pass, as handed to the model's forward method.
    :returns: [1, tokens, heads, size]
    """
    # autocast leaves the keys in float32 after their rotation, and would cast all of them again in every step
    key = key.to(value.dtype)
    heads, groups = query.shape[1], query.shape[1] // key.shape[1]
    out = value.new_zeros((1, query.shape[2], heads, value.shape[-1]))  # stays zero for padding
    keys, values = slots.slots.layer(module.layer_idx, key, value)
    blocks, rows = slots.positions.shape
    for block in range(blocks if rows else 0):
        part = slice(block * rows, (block + 1) * rows)
        index, places = torch.arange(rows, device=key.device), slots.positions[block]
        keys[index, :, places] = key[0, :, part].transpose(0, 1)
        values[index, :, places] = value[0, :, part].transpose(0, 1)
        # query heads that share a key head become queries of that head, so that its keys are not copied
        grouped = query[0, :, part].transpose(0, 1).reshape(rows, -1, groups, query.shape[-1])
        mixed = scaled_dot_product_attention(
            grouped,
            keys[:rows, :, : slots.length],
            values[:rows, :, : slots.length],
            attn_mask=slots.mask(block, sliding_window).expand(-1, -1, groups, -1),
            scale=scaling,
        )
        out[0, part] = mixed.reshape(rows, heads, -1)
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
