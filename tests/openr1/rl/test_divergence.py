"""The KL divergence of a policy from its start, beside one answer at a time and beside sampled log ratios."""

import pytest
import torch
from helpers.models import TINY, tokenizer

from openr1.engines.base import Completion, Reply
from openr1.models import flops
from openr1.models.build import build
from openr1.models.options import ModelConfig
from openr1.models.shape import solve_shape
from openr1.rl import divergence
from openr1.rl.generation import PolicyReply

CONTEXT = 64


@pytest.fixture(scope="module")
def moved():
    """A policy that was changed after its start was kept."""
    tokens, options = tokenizer(), ModelConfig("qwen2", init_std=0.1)
    shape = solve_shape(options, TINY, len(tokens), CONTEXT)
    model = build(options, shape, seed=0, eos_token_id=tokens.eos_token_id, pad_token_id=tokens.pad_token_id)
    measure = divergence.StartDivergence(model, shape, tokens.pad_token_id, bfloat16=False)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)
    return model, measure


def reply(prompt, *answers):
    return PolicyReply(prompt, Reply("", tuple(Completion("", "stop", len(ids), tuple(ids)) for ids in answers)))


REPLIES = [reply([5, 6, 7], [8, 9], [10]), reply([11], [12, 13, 14, 15])]


@torch.no_grad()
def by_hand(model, start, prompt, ids):
    """Return the sum over the tokens of one answer of the divergence of the next token's distributions."""
    tokens = torch.tensor([[*prompt, *ids]])
    policy, before = (one(tokens).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1) for one in (model, start))
    return torch.nn.functional.kl_div(before, policy, reduction="sum", log_target=True).item()


@pytest.mark.parametrize("logits", [2**25, 1])
def test_it_is_that_of_each_answer_whatever_the_batch(moved, monkeypatch, logits):
    monkeypatch.setattr(divergence, "LOGITS", logits)
    model, measure = moved
    pairs = [(one.prompt_ids, ids) for one in REPLIES for ids in one.token_ids]
    assert measure(REPLIES) == pytest.approx([by_hand(model, measure.start, *pair) for pair in pairs], rel=1e-4)
    assert measure([]) == []
    assert measure.flops(REPLIES) == sum(2 * flops.answer_flops(measure.shape, len(prompt), len(ids)) for prompt, ids in pairs)


def test_the_start_does_not_diverge_from_itself(moved):
    model, measure = moved
    same = divergence.StartDivergence(model, measure.shape, measure.pad_token_id, bfloat16=False)
    model.train()
    assert same(REPLIES) == [0, 0, 0]
    assert model.training  # as before


@torch.no_grad()
def test_it_is_what_log_ratios_of_sampled_answers_are_on_average(moved):
    model, measure = moved
    torch.manual_seed(1)
    ids = torch.full((4000, 1), 5)
    for _ in range(3):
        ids = torch.cat([ids, torch.multinomial(model(ids).logits[:, -1].softmax(-1), 1)], dim=1)
    chosen = ids[:, 1:, None]
    ratios = sum(
        sign * one(ids).logits[:, :-1].log_softmax(-1).gather(-1, chosen).sum((1, 2))
        for sign, one in ((1, model), (-1, measure.start))
    )
    error = ratios.std().item() / len(ratios) ** 0.5
    answers = [Completion("", "length", 3, tuple(row)) for row in ids[:, 1:].tolist()]
    found = measure([PolicyReply([5], Reply("", tuple(answers)))])
    assert sum(found) / len(found) == pytest.approx(ratios.mean().item(), abs=4 * error)
