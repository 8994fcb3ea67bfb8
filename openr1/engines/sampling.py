"""Sampling of the next token of each row, with random numbers of the row's own."""

from __future__ import annotations

import torch
from torch import Tensor

from openr1.engines.options import Sampling


def uniforms(seed: int, count: int) -> Tensor:
    """Return ``count`` random numbers in [0, 1) for the tokens of one completion. A larger count extends a smaller one."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Draw one token a row by inverting its distribution, independently of the other rows.

    :param logits: [rows, vocabulary]
    :param uniform: [rows], in [0, 1)
    :returns: tokens [rows], and their log-probabilities [rows] under the model itself: at temperature 1, without truncation.
    """
    logits = logits.float()
    if sampling.temperature == 0:
        tokens = logits.argmax(-1, keepdim=True)
    else:
        # in double precision, since single precision loses the tail of a vocabulary of 100,000
        sums = _kept_probabilities(logits, sampling).cumsum(-1, dtype=torch.float64)
        tokens = torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True).clamp_(max=sums.shape[-1] - 1)
    logprobs = logits.gather(-1, tokens)[:, 0] - logits.logsumexp(-1)
    return tokens[:, 0], logprobs


def sampling_distribution(logits: Tensor, tokens: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor | None]:
    """Return how likely tokens were under the distribution that :func:`draw` took them from, at a temperature above 0.

    :param logits: [rows, vocabulary]
    :param tokens: [rows]
    :returns: the log-probabilities [rows] after temperature and truncation, and the tokens that truncation kept, bool
        [rows, vocabulary]; None in their place without truncation.
    """
    logits = logits.float()
    scaled, kept = logits / sampling.temperature, None
    if sampling.truncates:
        kept = _kept_probabilities(logits, sampling) > 0
        scaled = scaled.masked_fill(~kept, -torch.inf)
    return scaled.gather(-1, tokens[:, None])[:, 0] - scaled.logsumexp(-1), kept


def _kept_probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """Return the probabilities [rows, vocabulary] after temperature, 0 where truncation leaves a token out.

    They are not normalised again.
    """
    scaled = logits / sampling.temperature
    if sampling.top_k is not None and sampling.top_k < scaled.shape[-1]:
        least = scaled.topk(sampling.top_k).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -torch.inf)
    probabilities = scaled.softmax(-1)
    if sampling.top_p < 1:
        probabilities = probabilities.masked_fill(probabilities < _nucleus_minimum(probabilities, sampling.top_p), 0)
    return probabilities


def _nucleus_minimum(probabilities: Tensor, top_p: float) -> Tensor:
    """Return the smallest probability [rows, 1] in the nucleus, the smallest set of tokens that holds ``top_p``.

    It is defined in arXiv 1904.09751.
    """
    # the nucleus is usually small, and sorting a large vocabulary is slow
    size, count = probabilities.shape[-1], 128
    while True:
        largest = probabilities.topk(min(count, size)).values
        sums = largest.cumsum(-1, dtype=torch.float64)
        if count >= size or bool((sums[:, -1] >= top_p).all()):
            break
        count *= 8
    last = (sums < top_p).sum(-1, keepdim=True).clamp_(max=sums.shape[-1] - 1)
    return largest.gather(-1, last)
