"""Muon beside AdamW in one optimiser."""

from __future__ import annotations

import pytest
import torch

from openr1.models.build import build
from openr1.models.options import ModelConfig, ScaleConfig
from openr1.models.shape import solve_shape
from openr1.training.muon import Muon, matrices, orthogonalise, update_scale
from openr1.training.optimisers import logged_lr_scale, optimiser_of
from openr1.training.options import MuonOptions, OptimConfig

OPTIONS = {"muon": True, "momentum": 0.95, "nesterov": True, "steps": 5, "halves": False}


def random(*size, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(32, 32), (48, 16), (16, 48)])
@pytest.mark.parametrize("scale", ["original", "match_rms_adamw"])
def test_a_step_is_that_of_torch_up_to_its_bfloat16(size, scale):
    ours, theirs = (torch.nn.Parameter(random(*size)) for _ in range(2))
    muon = Muon([{"params": [ours], **OPTIONS, "scale": scale}], lr=0.02, weight_decay=0.1, fused=True)
    reference = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn=scale)
    for step in range(3):
        ours.grad, theirs.grad = random(*size, seed=step + 1), random(*size, seed=step + 1)
        muon.step()
        reference.step()
    largest = 3 * 0.02 * update_scale(scale, *size) / max(size) ** 0.5
    assert (ours - theirs).abs().max() < 0.1 * largest
    assert (ours - random(*size)).abs().max() > largest / 2


def test_singular_values_of_updates_are_near_1():
    values = torch.linalg.svdvals(orthogonalise(random(5, 24, 40), steps=5))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_experts_are_matrices_of_their_own_and_gates_and_ups_too():
    stack = random(3, 16, 8)
    assert matrices(stack, halves=True).shape == (6, 8, 8)
    together = torch.nn.Parameter(stack.clone())
    apart = [torch.nn.Parameter(matrix.clone()) for matrix in matrices(stack, halves=True)]
    gradients = random(3, 16, 8, seed=1)
    together.grad = gradients
    for parameter, gradient in zip(apart, matrices(gradients, halves=True), strict=True):
        parameter.grad = gradient.clone()
    options = {**OPTIONS, "scale": "original"}
    Muon([{"params": [together], **options, "halves": True}], lr=0.1).step()
    Muon([{"params": apart, **options}], lr=0.1).step()
    assert torch.allclose(matrices(together.detach(), halves=True), torch.stack([one.detach() for one in apart]), atol=1e-6)


@pytest.mark.parametrize("family", ["qwen2", "gemma3", "deepseek_v3"])
def test_only_matrices_within_layers_are_muons(family):
    shape = solve_shape(ModelConfig(family=family), ScaleConfig("small", 2e5, 64, 3, 2, 1), 60, 32)
    model = build(ModelConfig(family=family), shape, seed=0)
    optim = OptimConfig(kind="muon", muon=MuonOptions(adamw_lr_scale=0.5))
    cls, arguments = optimiser_of(optim, model, shape, 0.01, set(), None)
    assert cls is Muon
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    of = {names[id(one)]: group for group in arguments["params"] for one in group["params"]}
    assert set(of) == set(names.values())
    for name, group in of.items():
        within = ".layers." in name and not name.endswith((".bias", "mlp.gate.weight")) and "norm" not in name
        assert bool(group.get("muon")) == within, name
        assert group["lr"] == (0.01 if within else 0.005)
    assert logged_lr_scale((cls, arguments)) == 1


def test_a_group_of_adamw_is_stepped_as_by_adamw():
    ours, theirs, matrix = (torch.nn.Parameter(random(8, 8)) for _ in range(3))
    both = Muon([{"params": [ours]}, {"params": [matrix], **OPTIONS, "scale": "original"}], lr=0.01, fused=True)
    alone = torch.optim.AdamW([theirs], lr=0.01, fused=True)
    for step in range(2):
        for parameter in (ours, theirs, matrix):
            parameter.grad = random(8, 8, seed=step)
        both.step()
        alone.step()
    assert torch.equal(ours, theirs)
    assert len(both.param_groups) == 2
