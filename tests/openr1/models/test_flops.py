"""FLOPs against PyTorch's counter on built models, and against sums written out."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from openr1.models import flops
from openr1.models.build import build
from openr1.models.families import FAMILIES
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.shape import Shape, count, solve_shape

SCALE = ScaleConfig("deep", 1.2e6, 96, 7, 3, 1)  # a gemma3 of seven layers has one without a window
VOCAB, CONTEXT, BATCH = 300, 48, 2
MODELS = [
    *(ModelConfig(family) for family in FAMILIES),
    ModelConfig("llama", tie_embeddings=False, options={"head_dim": 48, "attention_bias": True, "mlp_bias": True}),
    ModelConfig("gemma3", options={"sliding_window": 16, "sliding_window_pattern": 2}),
    ModelConfig("deepseek_v3", options={"q_lora_rank": 24, "v_head_dim": 16, "first_k_dense_replace": 0}),
    ModelConfig("deepseek_v3", options={"n_routed_experts": 12, "num_experts_per_tok": 3, "n_shared_experts": 2}),
]


def measured(model: ModelConfig, form: Shape, backward: bool, recompute: bool = False) -> float:
    """FLOPs a token as PyTorch counts them. It knows the products of plain kernels only: eager attention and experts."""
    built = build(model, form, seed=0)
    built.set_attn_implementation("eager")
    if form.experts:
        built.set_experts_implementation("eager")
    if recompute:
        built.gradient_checkpointing_enable()
    ids = torch.randint(0, VOCAB, (BATCH, CONTEXT), generator=torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as counter:
        loss = built(ids, labels=ids, use_cache=False).loss
        if backward:
            loss.backward()
    return counter.get_total_flops() / ids.numel()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join([model.family, *model.options]))
def test_forward_and_training_are_what_pytorch_counts(model: ModelConfig):
    form = solve_shape(model, SCALE, VOCAB, CONTEXT)
    forward, training = (measured(model, form, backward) for backward in (False, True))
    assert flops.forward_flops(form, CONTEXT, causal=False) == pytest.approx(forward, rel=1e-3)
    assert flops.training_flops(form, CONTEXT, causal=False) == pytest.approx(training, rel=1e-3)


def test_recomputation_is_what_pytorch_counts():
    # gemma3 ends a layer in a norm; the other families end it in a product, whose result PyTorch does not need again
    model = ModelConfig("gemma3")
    form = solve_shape(model, SCALE, VOCAB, CONTEXT)
    training = measured(model, form, backward=True, recompute=True)
    assert flops.training_flops(form, CONTEXT, recompute=True, causal=False) == pytest.approx(training, rel=1e-3)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: "-".join([model.family, *model.options]))
def test_causal_attention_costs_the_keys_that_a_token_sees(model: ModelConfig):
    form = solve_shape(model, SCALE, VOCAB, CONTEXT)
    windows = [form.window] * form.windowed_layers + [None] * (form.depth - form.windowed_layers)
    keys = sum(min(i, window or i) for window in windows for i in range(1, CONTEXT + 1)) / CONTEXT
    masked = form.depth * CONTEXT - keys
    saved = flops.forward_flops(form, CONTEXT, causal=False) - flops.forward_flops(form, CONTEXT)
    assert saved == pytest.approx(2 * form.heads * (form.qk_size + form.v_size) * masked)


def test_only_the_windowed_layers_of_gemma3_are_windowed():
    model = ModelConfig("gemma3", options={"sliding_window": 8})
    form = solve_shape(model, SCALE, VOCAB, CONTEXT)
    assert (form.window, form.windowed_layers) == (8, build(model, form, 0).config.layer_types.count("sliding_attention"))
    assert form.windowed_layers == 6


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_is_one_pass_with_the_head_on_new_tokens_only(family: str):
    form = solve_shape(ModelConfig(family, options={"sliding_window": 8} if family == "gemma3" else {}), SCALE, VOCAB, CONTEXT)
    head = 2 * form.width * VOCAB
    prompt, new = 20, 13
    one_pass = (prompt + new - 1) * flops.forward_flops(form, prompt + new - 1)
    assert flops.generation_flops(form, prompt, new) == pytest.approx(one_pass - (prompt - 1) * head)
    # token by token: what another new token adds is its own pass
    steps = [flops.generation_flops(form, prompt, n + 1) - flops.generation_flops(form, prompt, n) for n in range(1, new)]
    assert flops.generation_flops(form, prompt, 1) + sum(steps) == pytest.approx(flops.generation_flops(form, prompt, new))
    assert steps == sorted(steps)


def test_six_nd_is_training_without_head_and_attention():
    form = solve_shape(ModelConfig("llama"), ScaleConfig("7b", 7e9, 4096, 36, 32, 8), 32_000, 128)
    exact = 1e6 * flops.training_flops(form, 128)
    assert flops.six_nd(count(form).non_embedding, 1e6) == pytest.approx(exact, rel=0.03)
    assert flops.six_nd(1e9, 2e10) == 1.2e20
