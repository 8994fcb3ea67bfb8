"""Packing: several examples in one row, none of which attends to another.

A row has no attention mask. The positions of each example in it begin at 0, and transformers tells the examples apart by them:
a token attends to earlier tokens of its own example only (``find_packed_sequence_indices`` in its ``masking_utils``, and the
kernels of flash attention for sequences of several lengths). :func:`check_isolation` verifies this on the model in use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from openr1.system.errors import ConfigError

Row = dict[str, np.ndarray]
TOLERANCE = 0.05  # greatest difference of logits alone and in a row, in standard deviations; bfloat16 rounds to 0.01


def assign_rows(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Assign items to rows of ``size`` tokens: first-fit decreasing.

    The longest item comes first, and each goes into the first row with room for it.

    :returns: the indices of the items of each row.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for item in sorted(range(len(lengths)), key=lambda item: (-lengths[item], item)):
        place = next((place for place, left in enumerate(room) if left >= lengths[item]), None)
        if place is None:
            place = len(rows)
            rows.append([])
            room.append(size)
        rows[place].append(item)
        room[place] -= lengths[item]
    return rows


def pack(examples: Sequence[Row], size: int, pad_token_id: int = 0) -> dict[str, torch.Tensor]:
    """Pack examples into rows of at most ``size`` tokens, padded to the longest row.

    :returns: ``input_ids``, ``labels`` and ``position_ids``, shape ``(rows, longest)``. Labels are -100 on prompts, on padding,
        and on the first token of every example, which the example before it would have to predict.
    """
    placed = assign_rows([len(example["input_ids"]) for example in examples], size)
    longest = max(sum(len(examples[item]["input_ids"]) for item in row) for row in placed)
    shape = (len(placed), longest)
    input_ids = np.full(shape, pad_token_id, dtype=np.int64)
    labels = np.full(shape, -100, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    for number, row in enumerate(placed):
        start = 0
        for item in row:
            ids, mask = examples[item]["input_ids"], examples[item]["completion_mask"]
            end = start + len(ids)
            input_ids[number, start:end] = ids
            labels[number, start:end] = np.where(mask, ids, -100)
            labels[number, start] = -100
            positions[number, start:end] = np.arange(len(ids))
            start = end
        positions[number, start:] = np.arange(longest - start)  # padding counts as an example of its own
    arrays = {"input_ids": input_ids, "labels": labels, "position_ids": positions}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@torch.no_grad()
def check_isolation(model: PreTrainedModel, vocabulary: int, half: bool = False) -> None:
    """Refuse a model whose packed examples attend to each other: their logits must be those of each example alone.

    :param half: the model trains in bfloat16, which some kernels need.
    :raises ConfigError: if they are not, as with an attention that ignores positions.
    """
    training = model.training
    model.eval()
    generator = np.random.default_rng(0)
    examples = [
        {"input_ids": generator.integers(vocabulary, size=length), "completion_mask": np.ones(length, dtype=np.int64)}
        for length in (7, 5, 4)
    ]
    batch = pack(examples, 16)
    del batch["labels"]

    def logits(**inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=half):
            output = model(**{name: tensor.to(model.device) for name, tensor in inputs.items()}, use_cache=False)
        return output.logits[0].float()

    packed, start = logits(**batch), 0
    for example in examples:
        alone = logits(input_ids=torch.from_numpy(example["input_ids"])[None])
        in_row = packed[start : start + len(alone)]
        start += len(alone)
        if (in_row - alone).abs().max() > TOLERANCE * alone.std():
            name = model.config.get_text_config()._attn_implementation
            raise ConfigError(f"stage.packing: packed examples attend to each other with model.attention={name}")
    model.train(training)
