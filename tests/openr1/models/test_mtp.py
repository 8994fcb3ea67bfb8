"""Modules of multi-token prediction: their counts, FLOPs, losses and files."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from openr1.models import flops, mtp
from openr1.models.build import build
from openr1.models.checkpoints import checkpoint_shape, load
from openr1.models.families import FAMILIES
from openr1.models.mtp_files import CONFIG, FOLDER, WEIGHTS, saved_depth
from openr1.models.options import ModelConfig, MtpOptions, ScaleConfig
from openr1.models.shape import Shape, count, solve_shape
from openr1.system.errors import ConfigError
from openr1.training.packing import pack

SMALL = ScaleConfig("small", 2e5, 64, 3, 2, 1)
VOCAB, CONTEXT = 300, 48
MODELS = [
    *((family, {}) for family in FAMILIES),
    ("llama", {"head_dim": 48, "attention_bias": True, "mlp_bias": True}),
    ("gemma3", {"sliding_window": 16, "sliding_window_pattern": 9}),  # all layers have a window
    ("gemma3", {"sliding_window": 16, "sliding_window_pattern": 2, "final_logit_softcapping": 20.0}),
    ("deepseek_v3", {"q_lora_rank": 24, "v_head_dim": 16, "first_k_dense_replace": 3}),  # no layer has experts
    ("deepseek_v3", {"n_routed_experts": 12, "num_experts_per_tok": 3, "first_k_dense_replace": 2}),
]


def made(family, options=None, depth=1, seed=0, **more):
    """Return the shape, a model, and its modules."""
    model = ModelConfig(family, mtp=MtpOptions(depth), options=options or {}, **more)
    shape = solve_shape(model, SMALL, VOCAB, CONTEXT)
    net = build(model, shape, seed)
    return shape, net, mtp.attach(net, depth, seed)


def tokens(rows=2, length=CONTEXT):
    return torch.randint(0, VOCAB, (rows, length), generator=torch.Generator().manual_seed(0))


def measured(shape: Shape, net, modules, recompute=False) -> float:
    """FLOPs a token of a training step, as PyTorch counts them in plain kernels."""
    net.set_attn_implementation("eager")
    if shape.experts:
        net.set_experts_implementation("eager")
    if recompute:
        net.gradient_checkpointing_enable()
    ids = tokens()
    with FlopCounterMode(display=False) as counter:
        loss = net.train()(input_ids=ids, labels=ids, use_cache=False).loss
        (loss + modules.losses[0].sum()).backward()
    assert all(weight.grad is not None for weight in net.parameters())
    return counter.get_total_flops() / ids.numel()


@pytest.mark.parametrize(("family", "options"), MODELS, ids=lambda value: value if isinstance(value, str) else "-".join(value))
def test_counts_and_flops_are_those_of_the_built_modules(family, options):
    shape, net, modules = made(family, options, depth=2)
    assert count(shape).mtp == sum(weight.numel() for weight in modules.parameters())
    assert count(shape).total + count(shape).mtp == sum(weight.numel() for weight in net.parameters())
    assert flops.training_flops(shape, CONTEXT, causal=False) == pytest.approx(measured(shape, net, modules), rel=1e-3)


def test_recomputation_is_what_pytorch_counts():
    # gemma3 ends a layer in a norm; the other families end it in a product, whose result PyTorch does not need again
    shape, net, modules = made("gemma3", depth=2)
    expected = flops.training_flops(shape, CONTEXT, recompute=True, causal=False)
    assert expected == pytest.approx(measured(shape, net, modules, recompute=True), rel=1e-3)


def test_what_a_model_is_used_for_costs_and_counts_no_modules():
    with_modules, without = (solve_shape(ModelConfig("llama", mtp=MtpOptions(d)), SMALL, VOCAB, CONTEXT) for d in (2, 0))
    one, other = count(with_modules), count(without)
    assert (one.total, one.active, one.non_embedding) == (other.total, other.active, other.non_embedding)
    assert flops.forward_flops(with_modules, CONTEXT) == flops.forward_flops(without, CONTEXT)
    assert flops.generation_flops(with_modules, 5, 7) == flops.generation_flops(without, 5, 7)
    assert flops.mtp_flops(without, CONTEXT) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_of_the_model_are_those_without_modules(family):
    shape, net, modules = made(family, depth=2)
    alone = build(ModelConfig(family), shape, seed=0).state_dict()
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in alone.items())
    _, _, again = made(family, depth=1)
    first = again.layers[0].state_dict()
    assert all(torch.equal(tensor, modules.layers[0].state_dict()[name]) for name, tensor in first.items())
    _, _, other = made(family, seed=1)
    assert not torch.equal(other.layers[0].projection.weight, again.layers[0].projection.weight)


def test_losses_are_those_of_the_equations():
    """Module by module, position by position: no target is the token that the module reads or one before it."""
    _, net, modules = made("llama", depth=2, init_std=0.2)
    ids = tokens(1, 9)
    net.train()(input_ids=ids, labels=ids, use_cache=False)
    sums, counts = modules.losses
    assert counts.tolist() == [7, 6]
    base = net.model
    hidden = base(ids).last_hidden_state
    for k, module in enumerate(modules.layers, 1):
        total, length = 0.0, ids.shape[1] - k
        positions = torch.arange(length)[None]
        mask = torch.full((length, length), -torch.inf).triu(1)[None, None]
        angles = base.rotary_emb(hidden, positions)
        embedded = base.embed_tokens(ids[:, k:])
        joined = torch.cat([module.embedding_norm(embedded), module.hidden_norm(hidden[:, :length])], -1)
        out = module.block(module.projection(joined), attention_mask=mask, position_embeddings=angles)
        hidden = module.norm(out)
        for i in range(length - 1):
            total += functional.cross_entropy(net.lm_head(hidden[0, i]), ids[0, i + k + 1]).item()
        assert sums[k - 1].item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_of_packed_examples_are_those_of_each_alone(family):
    _, net, modules = made(family, {"sliding_window": 8} if family == "gemma3" else {}, depth=2)
    rng = np.random.default_rng(0)
    masks = [(np.arange(length) >= 2).astype(int) for length in (11, 6, 5, 9, 3)]
    examples = [{"input_ids": rng.integers(1, VOCAB, size=len(mask)), "completion_mask": mask} for mask in masks]
    batch = pack(examples, 20)
    assert len(batch["input_ids"]) < len(examples)
    net.train()(**batch, use_cache=False)
    packed = modules.losses
    sums, counts = torch.zeros(2), torch.zeros(2, dtype=int)
    for example in examples:
        ids = torch.from_numpy(example["input_ids"])[None]
        labels = torch.where(torch.from_numpy(example["completion_mask"])[None] > 0, ids, -100)
        net(input_ids=ids, labels=labels, use_cache=False)
        sums, counts = sums + modules.losses[0].detach(), counts + modules.losses[1]
    assert packed[1].tolist() == counts.tolist() == [24, 19]
    assert packed[0].tolist() == pytest.approx(sums.tolist(), rel=1e-4)


def test_an_evaluation_computes_no_modules():
    _, net, modules = made("llama")
    net.eval()(input_ids=tokens(), labels=tokens(), use_cache=False)
    net.train()(input_ids=tokens(), use_cache=False)
    assert modules.losses is None


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function that saves a model with modules, as a run does, and gives its folder, the model, and the modules."""

    def save(family, depth=1):
        folder = tmp_path_factory.mktemp(family)
        _, net, modules = made(family, depth=depth, init_std=0.2)
        mtp.detach(net)
        net.save_pretrained(folder)
        mtp.save(modules, folder)
        return folder, net.eval(), modules

    return save


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_is_one_of_transformers_without_modules(family, saved, caplog):
    folder, net, _ = saved(family)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    assert not caplog.records
    assert torch.equal(loaded.eval()(tokens()).logits, net(tokens()).logits)
    assert not any("mtp" in name for name in loaded.state_dict())


@pytest.mark.parametrize("family", FAMILIES)
def test_modules_are_loaded_as_they_were_saved_and_further_ones_are_new(family, saved):
    folder, _, modules = saved(family)
    assert saved_depth(folder) == 1
    start = ModelConfig(family, checkpoint=str(folder), mtp=MtpOptions(2))
    assert checkpoint_shape(start, SMALL, CONTEXT).mtp_depth == 2
    net = load(start, SMALL)
    more = mtp.attach(net, 2, seed=5, checkpoint=str(folder))
    expected = modules.layers[0].state_dict()
    assert all(torch.equal(tensor, more.layers[0].state_dict()[name]) for name, tensor in expected.items())
    fewer = mtp.attach(load(start, SMALL), 1, seed=5, checkpoint=None)
    assert not torch.equal(fewer.layers[0].projection.weight, modules.layers[0].projection.weight)


def test_damaged_modules_are_refused_in_one_line(saved):
    folder, net, _ = saved("llama")
    weights, config = folder / FOLDER / WEIGHTS, folder / FOLDER / CONFIG
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"^model\.checkpoint: .*/mtp cannot be loaded: ") as refused:
        mtp.attach(net, 1, 0, str(folder))
    assert "\n" not in str(refused.value)
    config.write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match=r"^model\.checkpoint: .*/mtp/config\.json is damaged; ") as refused:
        saved_depth(folder)
    assert "\n" not in str(refused.value)


def test_modules_of_another_width_are_refused_in_one_line(saved):
    folder, _, _ = saved("llama")
    model = ModelConfig("llama")
    other = build(model, solve_shape(model, ScaleConfig("wide", 4e5, 128, 3, 2, 1), VOCAB, CONTEXT), 0)
    with pytest.raises(ConfigError, match=r"^model\.checkpoint: .* cannot be loaded: .*size mismatch") as refused:
        mtp.attach(other, 1, 0, str(folder))
    assert "\n" not in str(refused.value)
