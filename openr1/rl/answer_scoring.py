"""Log-probabilities of answers under the distribution that they are sampled from, without the cost of padding.

TRL hands over answers of all lengths in one rectangle, prompts padded on the left. Here each row loses its padding, and rows of
like length are computed together: a few passes over short rectangles instead of one over a long rectangle.

Where top-p or top-k leave tokens out, an answer is drawn from the policy renormalised over the tokens that the sampler kept,
``p(a) / sum of p(s) over the kept s``. That is the policy whose gradient the answers estimate, so it is also the one that is
scored, with the kept tokens held fixed: a ratio of two policies then has no factor from truncation, and its expectation is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from openr1.engines.base import KeptTokens

ROWS = 16  # rows that are computed together; the number of passes must not depend on lengths, which differ by process


@dataclass(frozen=True)
class Rows:
    """Rows of like length without padding on the left.

    :ivar index: places of the rows in the rectangle, [rows].
    :ivar ids: token ids [rows, tokens], padded on the right.
    :ivar prompts: tokens of each prompt, [rows].
    :ivar answers: tokens of each answer, [rows].
    """

    index: Tensor
    ids: Tensor
    prompts: Tensor
    answers: Tensor

    @property
    def attention_mask(self) -> Tensor:
        """Return 1 for tokens and 0 for padding: [rows, tokens]."""
        places = torch.arange(self.ids.shape[1], device=self.ids.device)[None]
        return (places < (self.prompts + self.answers)[:, None]).long()

    @property
    def labels(self) -> Tensor:
        """Return the ids of the answers' tokens, and -100 elsewhere: [rows, tokens]."""
        places = torch.arange(self.ids.shape[1], device=self.ids.device)[None]
        scored = (places >= self.prompts[:, None]) & (places < (self.prompts + self.answers)[:, None])
        return self.ids.masked_fill(~scored, -100)


def unpadded(input_ids: Tensor, attention_mask: Tensor, answer_tokens: int, size: int = ROWS) -> Iterator[Rows]:
    """Yield all rows of a rectangle, ``size`` of like length at a time.

    :param input_ids: [rows, tokens]: prompts padded on the left, then ``answer_tokens`` places for answers padded on the right.
    :param attention_mask: [rows, tokens], 0 for padding and for answers that are not scored.
    """
    before = input_ids.shape[1] - answer_tokens
    prompts, answers = attention_mask[:, :before].sum(1), attention_mask[:, before:].sum(1)
    lengths = prompts + answers
    for index in lengths.argsort(stable=True).split(size):
        longest = max(2, int(lengths[index].max()))
        places = (before - prompts[index])[:, None] + torch.arange(longest, device=input_ids.device)[None]
        ids = input_ids[index].gather(1, places.clamp(max=input_ids.shape[1] - 1))
        yield Rows(index, ids, prompts[index], answers[index])


def score_answers(
    input_ids: Tensor,
    attention_mask: Tensor,
    answer_tokens: int,
    score: Callable[[Rows], tuple[Tensor, Tensor | None]],
    size: int = ROWS,
) -> tuple[Tensor, Tensor | None]:
    """Score the answers of a rectangle.

    :param score: returns log-probabilities and entropies [rows, tokens - 1] of the tokens after the first.
    :returns: log-probabilities and entropies [rows, answer_tokens], 0 after the end of an answer; entropies if there are any.
    """
    logprobs: list[Tensor] = []
    entropies: list[Tensor] = []
    order: list[Tensor] = []
    offsets = torch.arange(answer_tokens, device=input_ids.device)[None]
    for rows in unpadded(input_ids, attention_mask, answer_tokens, size):
        places = (rows.prompts[:, None] - 1 + offsets).clamp(max=rows.ids.shape[1] - 2)
        outside = offsets >= rows.answers[:, None]
        for values, scores in zip((logprobs, entropies), score(rows), strict=True):
            if scores is not None:
                values.append(scores.gather(1, places).masked_fill(outside, 0.0))
        order.append(rows.index)
    inverse = torch.cat(order).argsort()
    return torch.cat(logprobs)[inverse], torch.cat(entropies)[inverse] if entropies else None


def truncated_scores(logits: Tensor, rows: Rows, kept: Sequence[KeptTokens], temperature: float) -> tuple[Tensor, Tensor]:
    """Return log-probabilities and entropies of tokens under the policy, renormalised over the tokens that the sampler kept.

    :param logits: [rows, tokens, vocabulary]
    :param kept: of each answer in ``rows``.
    :param temperature: of the sampler.
    :returns: [rows, tokens - 1] each, 0 outside of the answers.
    """
    labels = rows.labels[:, 1:]
    scored = labels != -100
    scaled = logits[:, :-1][scored].float() / temperature  # [scored, vocabulary], answer after answer
    support = torch.zeros_like(scaled, dtype=torch.bool)
    counts, ids = [], []
    for tokens, answer in zip(rows.answers.tolist(), kept, strict=True):
        counts.append(torch.from_numpy(answer.counts[:tokens]).long())
        ids.append(torch.from_numpy(answer.ids[: int(counts[-1].sum())]).long())
    places = torch.arange(len(scaled)).repeat_interleave(torch.cat(counts))
    support[places.to(support.device), torch.cat(ids).to(support.device)] = True
    # a very negative number instead of -inf, since 0 times infinity has no gradient
    logprobs = scaled.masked_fill(~support, torch.finfo(scaled.dtype).min).log_softmax(-1)
    chosen = logprobs.gather(-1, labels[scored][:, None])[:, 0]
    entropy = -(logprobs.exp() * logprobs.masked_fill(~support, 0.0)).sum(-1)
    empty = torch.zeros(labels.shape, dtype=scaled.dtype, device=scaled.device)
    return empty.masked_scatter(scored, chosen), empty.masked_scatter(scored, entropy)
