"""The next token of each row, drawn with numbers that belong to the row alone."""

from __future__ import annotations

import torch
from torch import Tensor

from openr1.engines.options import Sampling


def uniforms(seed: int, count: int) -> Tensor:
    """``count`` numbers in [0, 1) for the tokens of one completion, in order. A larger count begins with a smaller one."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """One token a row, by inversion of its distribution: what a row draws depends on no other row.

    :param logits: [rows, vocabulary]
    :param uniform: [rows], in [0, 1)
    :returns: tokens [rows], and their log-probabilities [rows] under the model itself: at temperature 1, nothing cut off.
    """
    logits = logits.float()
    if sampling.temperature == 0:
        tokens = logits.argmax(-1, keepdim=True)
    else:
        scaled = logits / sampling.temperature
        if sampling.top_k is not None and sampling.top_k < scaled.shape[-1]:
            least = scaled.topk(sampling.top_k).values[:, -1:]
            scaled = scaled.masked_fill(scaled < least, -torch.inf)
        shares = scaled.softmax(-1)
        if sampling.top_p < 1:
            shares = shares.masked_fill(shares < _least_of_nucleus(shares, sampling.top_p), 0)
        # in double precision: single would lose the tail of a vocabulary of 100,000
        sums = shares.cumsum(-1, dtype=torch.float64)
        tokens = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True).clamp_(max=sums.shape[-1] - 1)
    logprobs = logits.gather(-1, tokens)[:, 0] - logits.logsumexp(-1)
    return tokens[:, 0], logprobs


def _least_of_nucleus(shares: Tensor, top_p: float) -> Tensor:
    """The smallest probability [rows, 1] in the smallest set of likeliest tokens that holds ``top_p`` (arXiv 1904.09751)."""
    # the nucleus is small as a rule, and a whole sort is what takes longest with a large vocabulary
    size, count = shares.shape[-1], 128
    while True:
        largest = shares.topk(min(count, size)).values
        sums = largest.cumsum(-1, dtype=torch.float64)
        if count >= size or bool((sums[:, -1] >= top_p).all()):
            break
        count *= 8
    last = (sums < top_p).sum(-1, keepdim=True).clamp_(max=sums.shape[-1] - 1)
    return largest.gather(-1, last)
