"""Parametrizations: absorbed multipliers give the function, and the updates, of those in the forward pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers

from openr1.models.build import build, parameter_rules
from openr1.models.families import FAMILIES
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.parametrization import HEAD, HIDDEN, ROUTER, Parametrization, tensor_rules
from openr1.models.shape import solve_shape
from openr1.system.errors import ConfigError
from openr1.training.muon import update_scale
from openr1.training.optimisers import optimiser_of
from openr1.training.options import MuonOptions, OptimConfig

BASE = ScaleConfig("base", 1.2e5, 64, 2, 2, 1)
LARGE = ScaleConfig("large", 1e6, 128, 4, 2, 1)  # heads of 64, which are of 32 in the base
VOCABULARY, CONTEXT = 60, 32


def shapes(family, **options):
    model = ModelConfig(family=family, **options)
    return tuple(solve_shape(model, scale, VOCABULARY, CONTEXT) for scale in (BASE, LARGE))


def made(family, kind, **options):
    base, large = shapes(family, **options)
    parametrization = Parametrization(kind, base)
    model = build(ModelConfig(family=family, **options), large, seed=0, parametrization=parametrization)
    return model, parameter_rules(parametrization, large, model)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_base_size_is_the_standard_parametrization_to_the_bit(family):
    base, _ = shapes(family)
    plain = build(ModelConfig(family=family), base, seed=0)
    model = build(ModelConfig(family=family), base, seed=0, parametrization=Parametrization("completep", base))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))
    rules = parameter_rules(Parametrization("completep", base), base, model)
    assert all(rule.init == rule.lr == rule.eps == rule.muon_lr == 1 for rule in rules.values())


def test_the_rules_of_a_family_without_norms_of_queries_are_those_of_the_papers():
    _, rules = made("llama", "completep", tie_embeddings=False)
    layer = "model.layers.3."
    ff = rules[f"{layer}mlp.down_proj.weight"].base_size[-1] / shapes("llama")[1].ff
    width, depth = 1 / 2, 1 / 2  # base / size
    expected = {  # initial weights, learning rate, epsilon
        "model.embed_tokens.weight": (1, 1, width),
        "lm_head.weight": (1, 1, width),
        "model.norm.weight": (width, width, 1),  # absorbs the multiplier of the logits
        f"{layer}input_layernorm.weight": (1, 1, width * depth),
        f"{layer}self_attn.k_proj.weight": (width**0.5, width, width * depth),
        # heads are twice as large: 1 / size instead of 1 / sqrt(size)
        f"{layer}self_attn.q_proj.weight": (0.5**0.5 * width**0.5, 0.5**0.5 * width, width * depth / 0.5**0.5),
        f"{layer}self_attn.o_proj.weight": (depth * width**0.5, depth * width, width),
        f"{layer}mlp.down_proj.weight": (depth * ff**0.5, depth * ff, width),
    }
    for name, (init, lr, eps) in expected.items():
        assert (rules[name].init, rules[name].lr, rules[name].eps) == pytest.approx((init, lr, eps)), name
    assert rules["lm_head.weight"].role == HEAD
    _, mup = made("llama", "mup")
    assert mup[f"{layer}self_attn.o_proj.weight"].lr == width
    assert mup[f"{layer}self_attn.k_proj.weight"].eps == 1


def test_norms_absorb_multipliers_where_there_are_norms_to_absorb_them():
    model, rules = made("gemma3", "completep")
    layer = "model.layers.0."
    assert rules[f"{layer}self_attn.q_proj.weight"].lr == 0.5
    assert rules[f"{layer}self_attn.o_proj.weight"].lr == 0.5
    assert rules[f"{layer}self_attn.q_norm.weight"].lr == pytest.approx(0.5**0.5)
    assert rules[f"{layer}post_feedforward_layernorm.weight"].lr == 0.5
    gain = 1 + model.model.layers[0].post_feedforward_layernorm.weight  # transformers multiplies by 1 + weight
    assert torch.allclose(gain, torch.tensor(0.5))
    assert rules["model.embed_tokens.weight"].lr == pytest.approx(0.5**0.5)  # embeddings are multiplied by sqrt(width)


def test_the_router_is_an_output_and_experts_are_matrices_of_their_own_inputs():
    _, rules = made("deepseek_v3", "mup")
    base, large = shapes("deepseek_v3")
    experts = rules["model.layers.1.mlp.experts.down_proj"]
    assert (experts.role, experts.lr) == (HIDDEN, base.expert_ff / large.expert_ff)
    router = rules["model.layers.1.mlp.gate.weight"]
    assert (router.role, router.lr, router.init) == (ROUTER, 0.5, 0.5)


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpoints_are_of_plain_transformers(family, tmp_path):
    model, _ = made(family, "completep")
    model.eval().save_pretrained(tmp_path)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.arange(CONTEXT)[None]
    with torch.no_grad():
        assert torch.equal(model(ids).logits, loaded(ids).logits)
    assert Parametrization.of_record(loaded.config.parametrization) == Parametrization("completep", shapes(family)[0])


def test_absorbed_multipliers_train_as_those_of_the_forward_pass():
    """The logits of a tied embedding are multiplied by a hook in one model, and by the gain of the final norm in the other."""
    base, large = shapes("llama")
    model, rules = made("llama", "mup")
    plain = build(ModelConfig(family="llama"), large, seed=1)
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        plain.model.norm.weight.div_(rules["model.norm.weight"].init)
    plain.model.norm.register_forward_hook(lambda module, arguments, output: output * (base.width / large.width))
    decayed = {name for name, parameter in model.named_parameters() if parameter.ndim > 1}
    optim = OptimConfig(parametrization="mup", weight_decay=0.1, eps=1e-20)
    absorbed = optimiser_of(optim, model, large, 0.01, decayed, Parametrization("mup", base))
    forward = []
    for name, parameter in plain.named_parameters():
        rule = rules[name] if name != "model.norm.weight" else replace(rules[name], lr=1.0)
        forward.append(
            {"params": [parameter], "lr": 0.01 * rule.lr, "weight_decay": 0.1 / rule.lr if name in decayed else 0, "eps": 1e-20}
        )
    optimisers = absorbed[0](**absorbed[1]), torch.optim.AdamW(forward, betas=(0.9, 0.95), fused=True)
    ids = torch.randint(VOCABULARY, (4, CONTEXT), generator=torch.Generator().manual_seed(0))
    for one, optimiser in zip((model, plain), optimisers, strict=True):
        for _ in range(3):
            one(input_ids=ids, labels=ids).loss.backward()
            optimiser.step()
            optimiser.zero_grad()
    with torch.no_grad():
        assert torch.allclose(model(ids).logits, plain(ids).logits, atol=2e-3)


@pytest.mark.parametrize("scale", ["match_rms_adamw", "original"])
def test_updates_of_muon_grow_with_the_spectral_norm_whatever_their_scale(scale):
    base, large = shapes("llama")
    parametrization = Parametrization("mup", base)
    model = build(ModelConfig(family="llama"), large, seed=0, parametrization=parametrization)
    optim = OptimConfig(kind="muon", muon=MuonOptions(scale=scale), parametrization="mup", weight_decay=0.1)
    _, arguments = optimiser_of(optim, model, large, 0.01, {"model.layers.0.mlp.down_proj.weight"}, parametrization)
    weight = model.model.layers[0].mlp.down_proj.weight
    (group,) = [group for group in arguments["params"] if any(one is weight for one in group["params"])]
    norm = group["lr"] * update_scale(scale, *weight.shape)  # of an update
    of_base = 0.01 * update_scale(scale, base.width, base.ff)
    assert norm / of_base == pytest.approx(((large.width / large.ff) / (base.width / base.ff)) ** 0.5)
    assert group["lr"] * group["weight_decay"] == pytest.approx(0.01 * 0.1)


def test_a_base_without_a_tensor_of_the_model_is_refused():
    base, large = shapes("llama")
    with pytest.raises(ConfigError, match=r"^optim\.base: a model of the base size has no model\.layers\.\*\.mlp"):
        tensor_rules(Parametrization("mup", base), large, {"model.layers.1.mlp.gate.weight": (8, 64)}, {})
