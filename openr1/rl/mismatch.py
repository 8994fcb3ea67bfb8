"""Mismatch of sampler and trainer: how far apart the probabilities are that both give to the tokens of answers.

Both have the same weights, so that only rounding may differ; another engine, another precision or another treatment of
temperature and truncation shows here first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mismatch:
    """Sums over the tokens of answers.

    :ivar tokens: number of tokens.
    :ivar differences: sum of the absolute differences of log-probabilities, in nats.
    :ivar largest: largest absolute difference, in nats.
    :ivar divergences: sum of ``r - 1 - log r`` with ``r = p_trainer / p_sampler``; its mean over sampled tokens estimates
        KL(sampler || trainer) without bias, and it is never negative (http://joschu.net/blog/kl-approx.html, estimator k3).
    """

    tokens: Tensor
    differences: Tensor
    largest: Tensor
    divergences: Tensor

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the curves, by the names that runs are tracked under; none without a token."""
        tokens = self.tokens.item()
        if not tokens:
            return {}
        return {
            "sampler_difference": self.differences.item() / tokens,
            "sampler_difference_max": self.largest.item(),
            "sampler_kl": self.divergences.item() / tokens,
        }


def mismatch(trainer: Tensor, sampler: Tensor, mask: Tensor) -> Mismatch:
    """Compare the log-probabilities of the tokens of answers.

    :param trainer: of the trained model, [answers, tokens].
    :param sampler: of the engine, [answers, tokens]; NaN where it could not tell.
    :param mask: 0 for padding, [answers, tokens].
    """
    counts = mask.bool() & ~sampler.isnan()
    log_ratio = torch.where(counts, trainer - sampler, 0.0).double()
    distance = log_ratio.abs()
    largest = distance.max() if distance.numel() else distance.new_zeros(())
    return Mismatch(counts.sum().double(), distance.sum(), largest, (log_ratio.expm1() - log_ratio).sum())


def truncated_weights(trainer: Tensor, sampler: Tensor, cap: float) -> Tensor:
    """Return the weights of truncated importance sampling, ``min(p_trainer / p_sampler, cap)`` for each token.

    They correct a gradient for answers that another distribution has drawn, with bounded variance (Ionides 2008, for ratios
    in general). A token whose probability the sampler could not tell has the weight 1.

    :param trainer: log-probabilities before the first update on these answers, [answers, tokens].
    :param sampler: log-probabilities of the engine, [answers, tokens].
    """
    return (trainer - sampler).nan_to_num(nan=0.0).exp().clamp(max=cap)
