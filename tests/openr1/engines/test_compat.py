"""The private parts of torch and transformers still are what the engines take them for."""

import torch
from helpers.models import TINY
from torch.nn import functional

from openr1.engines import compat
from openr1.models.build import build
from openr1.models.options import ModelConfig
from openr1.models.shape import solve_shape


def test_a_reordered_linear_layer_is_a_linear_layer():
    rows, weight, bias = torch.randn(48, 64), torch.randn(96, 64), torch.randn(96)
    reordered = compat.reorder_linear_weight(weight)
    for given in (bias, None):
        result = compat.apply_reordered_linear(rows, reordered, given)
        torch.testing.assert_close(result, functional.linear(rows, weight, given))


def test_experts_are_found_with_their_matrices_and_their_gate():
    model = ModelConfig("deepseek_v3")
    shape = solve_shape(model, TINY, 64, 32)
    experts = compat.find_experts(build(model, shape, seed=0))
    assert len(experts) == shape.moe_layers
    for module in experts:
        assert compat.has_plain_experts(module)
        assert module.gate_up_proj.shape == (shape.experts, 2 * shape.expert_ff, shape.width)
        assert module.down_proj.shape == (shape.experts, shape.width, shape.expert_ff)
        hidden = torch.randn(5, 2 * shape.expert_ff)
        gate, up = hidden.chunk(2, dim=-1)
        torch.testing.assert_close(compat.apply_gate(module, hidden), functional.silu(gate) * up)
    assert not compat.find_experts(build(ModelConfig("qwen2"), solve_shape(ModelConfig("qwen2"), TINY, 64, 32), seed=0))
