"""Shapes, counts, building and loading."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import torch
import transformers

from openr1.models.build import build
from openr1.models.checkpoints import checkpoint_of, checkpoint_shape, load
from openr1.models.families import FAMILIES, KEYS
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.shape import DECIDED, count, size_of, solve_shape
from openr1.system.errors import ConfigError

SMALL = ScaleConfig("small", 2e5, 64, 3, 2, 1)
SIZES = [
    SMALL,
    ScaleConfig("deep", 1.2e6, 96, 7, 3, 3),
    ScaleConfig("125m", 125e6, 896, 15, 14, 2),
    ScaleConfig("7b", 7e9, 4096, 36, 32, 8),
]
OPTIONS = [
    ("qwen3", {"head_dim": 48, "attention_bias": True}),
    ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 48}),
    ("gemma3", {"attention_bias": True, "sliding_window_pattern": 2}),
    ("deepseek_v3", {"q_lora_rank": 24, "kv_lora_rank": 40, "attention_bias": True, "v_head_dim": 16}),
    ("deepseek_v3", {"n_routed_experts": 12, "num_experts_per_tok": 3, "n_shared_experts": 2, "first_k_dense_replace": 0}),
    ("deepseek_v3", {"n_routed_experts": 16, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 3}),
]


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def assert_counts_hold(model: ModelConfig, scale: ScaleConfig) -> None:
    form = solve_shape(model, scale, 300, 64)
    with torch.device("meta"):
        built = build(model, form, seed=0)
    params = count(form)
    embeddings = {
        weight.data_ptr() or id(weight): weight for weight in (built.get_input_embeddings().weight, built.lm_head.weight)
    }
    assert params.total == parameters(built)
    assert params.embedding == sum(weight.numel() for weight in embeddings.values())
    experts = [module for module in built.modules() if type(module).__name__ == "DeepseekV3Experts"]
    idle = sum(parameters(module) * (form.experts - form.active_experts) // form.experts for module in experts)
    assert params.active == params.total - idle
    assert params.non_embedding == params.active - params.embedding


@pytest.mark.parametrize("tie_embeddings", [True, False])
@pytest.mark.parametrize("scale", SIZES, ids=lambda scale: scale.name)
@pytest.mark.parametrize("family", FAMILIES)
def test_counts_are_those_of_the_built_model(family: str, scale: ScaleConfig, tie_embeddings: bool):
    assert_counts_hold(ModelConfig(family, tie_embeddings=tie_embeddings), scale)


@pytest.mark.parametrize(("family", "options"), OPTIONS)
def test_counts_honour_options(family: str, options: dict):
    assert_counts_hold(ModelConfig(family, options=options), SIZES[1])


@pytest.mark.parametrize("family", FAMILIES)
def test_options_are_arguments_of_the_config_class(family: str):
    config_class = getattr(transformers, FAMILIES[family].config_class)
    known = {entry.name for entry in dataclasses.fields(config_class)} | {"sliding_window_pattern"}  # taken by __post_init__
    assert config_class.model_type == FAMILIES[family].model_type
    assert {*KEYS.values(), *FAMILIES[family].keys.values(), *FAMILIES[family].options, *FAMILIES[family].fixed} <= known
    assert set(KEYS.values()) <= set(DECIDED)


@pytest.mark.parametrize(
    ("family", "scale", "options", "key"),
    [
        ("qwen2", SMALL, {"n_routed_experts": 4}, "model.options.n_routed_experts"),
        ("qwen2", SMALL, {"hidden_size": 128}, "model.options.hidden_size: follows from scale.width"),
        ("deepseek_v3", SMALL, {"moe_intermediate_size": 8}, "model.options.moe_intermediate_size: follows from scale.params"),
        ("deepseek_v3", SMALL, {"n_routed_experts": "many"}, "model.options.n_routed_experts: 'many'"),
        ("deepseek_v3", SMALL, {"num_experts_per_tok": 9}, "model.options.num_experts_per_tok: 9 is above the 8"),
        ("deepseek_v3", SMALL, {"n_group": 3}, "model.options.n_group"),
        ("deepseek_v3", SMALL, {"topk_group": 2}, "model.options.topk_group"),
        ("gemma3", SMALL, {"sliding_window_pattern": 0}, "model.options.sliding_window_pattern: 0"),
        ("llama", ScaleConfig("wide", 1e5, 512, 3, 8, 8), {}, "scale.params: 100000 leaves no feed-forward block"),
        ("deepseek_v3", SMALL, {"num_experts_per_tok": 8, "n_shared_experts": 16}, "scale.params: deepseek_v3"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(family: str, scale: ScaleConfig, options: dict, key: str):
    with pytest.raises(ConfigError) as refused:
        solve_shape(ModelConfig(family, options=options), scale, 300, 64)
    assert str(refused.value).startswith(key)
    assert "\n" not in str(refused.value)


def test_an_option_of_the_wrong_type_is_refused_in_one_line():
    model = ModelConfig("qwen2", options={"rms_norm_eps": "small"})
    with pytest.raises(ConfigError, match=r"^model.options: .*rms_norm_eps.*") as refused:
        build(model, solve_shape(model, SMALL, 300, 64), seed=0)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_follow_from_the_seed_alone(family: str):
    model = ModelConfig(family)
    form = solve_shape(model, SMALL, 300, 64)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first, again, other = (build(model, form, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_built_config_is_what_was_asked_for(family: str):
    model = ModelConfig(family, rope_theta=5e4, attention="eager", options={"rms_norm_eps": 1e-5})
    built = build(model, solve_shape(model, SMALL, 300, 64), seed=0, eos_token_id=7, pad_token_id=8)
    config = built.config
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    assert (rope["rope_theta"], config.rms_norm_eps, config._attn_implementation) == (5e4, 1e-5, "eager")
    assert (config.max_position_embeddings, config.eos_token_id, config.pad_token_id) == (64, 7, 8)
    assert (built.generation_config.eos_token_id, built.generation_config.pad_token_id) == (7, 8)
    assert config.attention_dropout == 0
    assert built.dtype == torch.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_loaded_back(family: str, tmp_path):
    model = ModelConfig(family, tie_embeddings=family != "llama")
    form = solve_shape(model, SIZES[1], 300, 64)
    built = build(model, form, seed=0).eval()
    built.save_pretrained(tmp_path)
    start = ModelConfig(family, checkpoint=str(tmp_path))
    loaded = load(start, SMALL).eval()
    ids = torch.arange(32)[None]
    assert torch.equal(loaded(ids).logits, built(ids).logits)
    assert checkpoint_shape(start, SMALL, 64) == form


def test_a_context_beyond_the_checkpoint_is_refused(tmp_path):
    model = ModelConfig("qwen2")
    build(model, solve_shape(model, SMALL, 300, 64), seed=0).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"^data.context: 65 is beyond the checkpoint's 64 positions"):
        checkpoint_shape(ModelConfig("qwen2", checkpoint=str(tmp_path)), SMALL, 65)


def test_an_unknown_family_of_checkpoint_is_refused(tmp_path):
    transformers.GPT2Config().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"^model.checkpoint: .* is a gpt2, not one of qwen2"):
        checkpoint_shape(ModelConfig("qwen2", checkpoint=str(tmp_path)), SMALL, 64)


def test_a_checkpoint_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^model.checkpoint: "):
        checkpoint_shape(ModelConfig("qwen2", checkpoint=str(tmp_path)), SMALL, 64)


def test_the_checkpoint_of_a_size():
    scale = ScaleConfig("500m")
    assert checkpoint_of(ModelConfig("qwen2", checkpoints={"500m": "a/b"}), scale) is None
    assert checkpoint_of(ModelConfig("qwen2", checkpoints={"500m": "a/b"}, pretrained=True), scale) == "a/b"
    assert checkpoint_of(ModelConfig("qwen2", checkpoints={"500m": "a/b"}, pretrained=True, checkpoint="c"), scale) == "c"


def test_shapes_and_counts_need_neither_torch_nor_transformers():
    heavy = "[name for name in ('torch', 'transformers') if name in sys.modules]"
    script = f"import sys, openr1.models.shape, openr1.models.checkpoints, openr1.models.flops; print({heavy})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_size_is_called_by_the_ladder_or_by_all_parameters():
    model, scale = ModelConfig("qwen2"), ScaleConfig("200k", 2e5, 64, 3, 2, 1)
    assert size_of(solve_shape(model, scale, 300, 64), model, scale) == "200k"
    other = ScaleConfig("7m", 7e6, 256, 6, 4, 2)
    form = solve_shape(model, other, 2000, 64)
    assert size_of(form, model, scale) == f"{count(form).total / 1e6:.3g}m"
    assert size_of(form, dataclasses.replace(model, pretrained=True), scale) == "200k"
