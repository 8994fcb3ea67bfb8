"""Scores in batches are those one by one."""

import pytest
import torch
from helpers.models import TINY, tokenizer

from openr1.models.families import FAMILIES
from openr1.models.options import ModelConfig
from openr1.models.reward_models import build_reward_model
from openr1.models.reward_scoring import batches, encode_text, score_ids, score_texts
from openr1.models.shape import solve_shape

TEXTS = [f"{i} plus {i * 7} is " * (1 + i % 9) + str(i) for i in range(40)]


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_score_as_one_by_one(family):
    tokens, model = tokenizer(), ModelConfig(family)
    ids = {"eos_token_id": tokens.eos_token_id, "pad_token_id": tokens.pad_token_id}
    rewards = build_reward_model(model, solve_shape(model, TINY, len(tokens), 256), 0, **ids)
    encoded = [encode_text(tokens, text) for text in TEXTS]
    assert all(sequence[-1] == tokens.eos_token_id for sequence in encoded)
    rewards.train()
    with torch.no_grad():
        alone = [rewards.eval()(torch.tensor([sequence])).logits.item() for sequence in encoded]
    rewards.train()
    assert score_texts(rewards, tokens, TEXTS, batch=7) == pytest.approx(alone, abs=1e-5)
    assert score_ids(rewards, encoded) == pytest.approx(alone, abs=1e-5)
    assert rewards.training
    assert max(alone) - min(alone) > 1e-3


def test_batches_are_sorted_and_bounded():
    lengths = [5, 100, 7, 30, 31, 6, 120]
    groups = batches(lengths, batch=3, tokens=200)
    assert sorted(place for group in groups for place in group) == list(range(7))
    assert [max(lengths[place] for place in group) for group in groups] == sorted(
        (max(lengths[place] for place in group) for group in groups), reverse=True
    )
    assert all(len(group) <= 3 and max(lengths[p] for p in group) * len(group) <= 200 for group in groups)
    assert batches([500], batch=3, tokens=200) == [[0]]


def test_a_text_without_tokens_is_refused():
    with pytest.raises(ValueError, match="no tokens"):
        score_ids(None, [[1], []])
