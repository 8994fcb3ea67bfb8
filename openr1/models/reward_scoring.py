"""Rewards of texts by a reward model, in batches of about equal length so that little is spent on padding.

A causal model reads padding on the right after all that matters, so a reward in a batch is that of the text alone, but for the
last bits of floating-point sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TOKENS = 16_384  # of one batch with its padding, at most, unless a single text is longer


def score_texts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str] | Sequence[Sequence[int]],
    batch: int = 32,
) -> list[float]:
    """Return the reward of each text: a prompt with its answer.

    :param tokenizer: the one that the model was trained with; a reward depends on the end token, which is added to text.
    :param texts: as text, or as the ids of its tokens, which are read as they are. For prompts within an instruction or a chat,
        give the ids of :func:`openr1.data.chat.encoder_for`, which the training read.
    :param batch: most texts of a forward pass.
    """
    ids = [encode_text(tokenizer, text) if isinstance(text, str) else list(text) for text in texts]
    return score_ids(model, ids, batch)


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Return the ids of a text as training reads it: ``[bos] text eos``."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    starts = bos is not None and bos in tokenizer("")["input_ids"]
    return [*([bos] if starts and ids[:1] != [bos] else []), *ids, *([] if eos is None or ids[-1:] == [eos] else [eos])]


def score_ids(model: PreTrainedModel, ids: Sequence[Sequence[int] | np.ndarray], batch: int = 32) -> list[float]:
    """Return the reward of each sequence of tokens; the model keeps its mode.

    :raises ValueError: for a sequence without tokens.
    """
    import torch

    if not all(len(sequence) for sequence in ids):
        raise ValueError("a text to score has no tokens")
    pad = model.config.get_text_config().pad_token_id
    rewards = [0.0] * len(ids)
    training = model.training
    model.eval()
    with torch.no_grad():
        for places in batches([len(sequence) for sequence in ids], batch if pad is not None else 1):
            longest = max(len(ids[place]) for place in places)
            input_ids = torch.full((len(places), longest), pad or 0, dtype=torch.long)
            attention = torch.zeros_like(input_ids)
            for row, place in enumerate(places):
                input_ids[row, : len(ids[place])] = torch.as_tensor(ids[place])
                attention[row, : len(ids[place])] = 1
            inputs = {"input_ids": input_ids.to(model.device), "attention_mask": attention.to(model.device)}
            logits = model(**inputs, use_cache=False).logits
            for place, reward in zip(places, logits[:, 0].float().tolist(), strict=True):
                rewards[place] = reward
    model.train(training)
    return rewards


def batches(lengths: Sequence[int], batch: int, tokens: int = TOKENS) -> list[list[int]]:
    """Return the indices of sequences in batches, the longest first, so that too little memory is found at once.

    :param lengths: tokens of each sequence.
    :param batch: most sequences of a batch.
    :param tokens: most tokens of a batch with its padding.
    """
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    groups: list[list[int]] = []
    for place in order:
        if groups and len(groups[-1]) < batch and (len(groups[-1]) + 1) * lengths[groups[-1][0]] <= tokens:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups
