"""KL divergence of a policy from the policy at the start of its run, over answers that the policy itself has sampled."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from openr1.models import flops
from openr1.models.shape import Shape
from openr1.rl.generation import PolicyReply

LOGITS = 2**25  # elements of the largest tensor of logits


class StartDivergence:
    """The divergence from the weights that a policy has when this object is made.

    :param model: the policy, which training changes; the start is a copy of it.
    :param bfloat16: compute in bfloat16, as training does.
    """

    def __init__(self, model: PreTrainedModel, shape: Shape, pad_token_id: int, bfloat16: bool) -> None:
        self.model, self.shape, self.pad_token_id, self.bfloat16 = model, shape, pad_token_id, bfloat16
        self.start = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, replies: Sequence[PolicyReply]) -> list[float]:
        """Return the divergence KL(policy || start) of each answer, in nats.

        At each token of an answer, the divergence of the two distributions of the next token is computed in full, and an
        answer has the sum of them. Its mean over sampled answers is unbiased, never negative, and scatters less than that of
        the log ratio of the sampled tokens (arXiv 2504.10637, section 4).

        :param replies: answers that were sampled at temperature 1 from all tokens.
        """
        answers = [(reply.prompt_ids, ids) for reply in replies for ids in reply.token_ids]
        if not answers:
            return []
        longest = max(len(prompt) + len(ids) for prompt, ids in answers)
        size = max(1, LOGITS // (longest * self.model.config.get_text_config().vocab_size))
        training = self.model.training
        self.model.eval()
        divergences = [value for i in range(0, len(answers), size) for value in self._divergences(answers[i : i + size])]
        self.model.train(training)
        return divergences

    def flops(self, replies: Sequence[PolicyReply]) -> float:
        """Return the FLOPs of the forward passes of both models."""
        return sum(2 * flops.answer_flops(self.shape, *length) for reply in replies for length in reply.lengths)

    def _divergences(self, answers: Sequence[tuple[list[int], tuple[int, ...]]]) -> list[float]:
        longest = max(len(prompt) + len(ids) for prompt, ids in answers)
        tokens = torch.full((len(answers), longest), self.pad_token_id)
        attended, answered = torch.zeros_like(tokens), torch.zeros_like(tokens, dtype=torch.bool)
        for row, (prompt, ids) in enumerate(answers):
            end = len(prompt) + len(ids)
            tokens[row, :end] = torch.tensor([*prompt, *ids])
            attended[row, :end] = 1
            answered[row, len(prompt) - 1 : end - 1] = True  # the positions that predict the answer
        policy, start = (self._log_probabilities(model, tokens, attended) for model in (self.model, self.start))
        by_token = (policy.exp() * (policy - start)).sum(-1)
        return by_token.masked_fill(~answered.to(by_token.device), 0.0).sum(-1).tolist()

    def _log_probabilities(self, model: PreTrainedModel, tokens: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = model(input_ids=tokens.to(model.device), attention_mask=attended.to(model.device), use_cache=False).logits
        return logits.float().log_softmax(-1)
