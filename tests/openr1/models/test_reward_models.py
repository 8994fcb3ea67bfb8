"""Reward models: built, started from language models, saved and loaded again; counts and FLOPs against PyTorch."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForSequenceClassification

from openr1.models import flops
from openr1.models.build import build
from openr1.models.families import FAMILIES
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.reward_models import build_reward_model, is_reward_model, load_reward_model, start_reward_model
from openr1.models.shape import Shape, count, solve_shape
from openr1.system.errors import ConfigError

SMALL = ScaleConfig("small", 2e5, 64, 3, 2, 1)
VOCAB, CONTEXT, PAD = 300, 48, 1
IDS = torch.randint(2, VOCAB, (2, CONTEXT), generator=torch.Generator().manual_seed(0))


def shape_of(model: ModelConfig) -> Shape:
    return replace(solve_shape(model, SMALL, VOCAB, CONTEXT), labels=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folders of a saved language model and a saved reward model of every family."""
    root = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        model = ModelConfig(family)
        build(model, shape_of(model), 0, eos_token_id=0, pad_token_id=PAD).save_pretrained(root / f"{family}-causal")
        rewards = build_reward_model(model, shape_of(model), 0, eos_token_id=0, pad_token_id=PAD)
        rewards.save_pretrained(root / f"{family}-rewards")
    return root


@pytest.mark.parametrize("family", FAMILIES)
def test_counts_and_flops_are_those_of_the_built_model(family: str):
    model = ModelConfig(family)
    shape = shape_of(model)
    built = build_reward_model(model, shape, 0, eos_token_id=0, pad_token_id=PAD)
    params = count(shape)
    assert params.total == sum(weight.numel() for weight in built.parameters())
    assert params.embedding == built.get_input_embeddings().weight.numel() + built.score.weight.numel()
    built.set_attn_implementation("eager")
    if shape.experts:
        built.set_experts_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        built(IDS, use_cache=False).logits.sum().backward()
    measured = counter.get_total_flops() / IDS.numel()
    assert flops.training_flops(shape, CONTEXT, causal=False) == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_reward_model_is_loaded_back(folders, family: str):
    model = ModelConfig(family)
    built = build_reward_model(model, shape_of(model), 0, eos_token_id=0, pad_token_id=PAD).eval()
    folder = str(folders / f"{family}-rewards")
    loaded = load_reward_model("key", folder)
    assert not loaded.training
    assert loaded.dtype == torch.float32
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for other in (loaded, theirs):
        assert torch.equal(other(IDS).logits, built(IDS).logits)
    assert built(IDS).logits.shape == (2, 1)
    assert is_reward_model(folder)
    assert not is_reward_model(str(folders / f"{family}-causal"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_language_model_keeps_its_weights_and_gets_a_seeded_head(folders, family: str, capfd):
    folder = str(folders / f"{family}-causal")
    state = torch.random.get_rng_state()
    first, again, other = (start_reward_model("key", folder, None, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.score.weight, again.score.weight)
    assert not torch.equal(first.score.weight, other.score.weight)
    assert first.score.weight.std().item() == pytest.approx(first.config.initializer_range, rel=0.5)
    model = ModelConfig(family)
    body = build(model, shape_of(model), 0, eos_token_id=0, pad_token_id=PAD).model.state_dict()
    assert all(torch.equal(value, body[name]) for name, value in first.model.state_dict().items())
    assert "score" not in capfd.readouterr().err  # transformers would list the new head at length


def test_a_reward_model_goes_on_with_its_head(folders):
    folder = str(folders / "qwen2-rewards")
    assert torch.equal(start_reward_model("key", folder, None, 7).score.weight, load_reward_model("key", folder).score.weight)


def edit(folder, source, **values):
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((source / "config.json").read_text()) | values
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_a_checkpoint_without_one_reward_is_refused_in_one_line(folders, tmp_path):
    two = {"0": "bad", "1": "good"}
    wrong = {
        r"^key: .* is neither a directory with a config.json nor": str(tmp_path / "nowhere"),
        r"^key: .* is a Qwen2ForCausalLM, which gives no reward": str(folders / "qwen2-causal"),
        r"^key: .* has a head of 2 labels; a reward model has 1": edit(
            tmp_path / "two", folders / "qwen2-rewards", id2label=two, label2id={"bad": 0, "good": 1}
        ),
        r"^key: config.json of .* names code of its own \(auto_map\)": edit(
            tmp_path / "code", folders / "qwen2-rewards", auto_map={"AutoModel": "evil.A"}
        ),
        r"^key: .* has no weights for score.weight": edit(
            tmp_path / "headless",
            folders / "qwen2-causal",
            architectures=["Qwen2ForSequenceClassification"],
            id2label={"0": "r"},
        ),
        r"^key: .* cannot be loaded: ": edit(tmp_path / "other", folders / "qwen2-rewards", model_type="evil"),
    }
    for match, folder in wrong.items():
        with pytest.raises(ConfigError, match=match) as error:
            load_reward_model("key", folder)
        assert "\n" not in str(error.value)


def test_dropout_of_a_checkpoint_is_left_out(folders, tmp_path):
    folder = edit(tmp_path / "dropping", folders / "llama-rewards", attention_dropout=0.3)
    model = load_reward_model("key", folder).train()
    assert model.config.attention_dropout == 0
    assert torch.equal(model(IDS).logits, model(IDS).logits)
