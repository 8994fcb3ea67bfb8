"""Estimated memory against what PyTorch keeps."""

import pytest
import torch
from helpers.configs import composed
from helpers.models import write_model

from openr1.models import mtp
from openr1.models.build import build
from openr1.models.shape import count
from openr1.runs.estimate import estimate_run
from openr1.sweeps.cost.memory import activation_memory, peak_memory, state_memory

SEQUENCES = 2


def kept(config):
    """Bytes that the forward pass keeps for the backward pass, for each token; without weights."""
    shape = estimate_run(config).shape
    model = build(config.model, shape, 0).train()
    if shape.mtp_depth:
        mtp.attach(model, shape.mtp_depth, 0)
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    storages, alive = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # so that no address is used twice
        return tensor

    tokens = torch.zeros((SEQUENCES, config.data.context), dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=tokens, labels=tokens, use_cache=False)
    return sum(storages.values()) / tokens.numel()


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=qwen3", "scale=200k"],
        ["model=llama", "scale=500k"],
        ["model=gemma3", "scale=500k"],
        ["model=llama", "scale=500k", "model.attention=eager"],
        ["model=qwen2", "scale=500k", "data.context=256"],
        ["model=llama", "scale=500k", "model.mtp.depth=1"],
        ["model=gemma3", "scale=500k", "model.mtp.depth=2"],
    ],
    ids=" ".join,
)
def test_activations_are_those_that_pytorch_keeps(overrides):
    config = composed(*overrides)
    shape = estimate_run(config).shape
    # logits and their gradient are there beside what is kept, a logarithm of them
    expected = activation_memory(config, shape, config.data.context) - (1 + shape.mtp_depth) * 2 * 4 * shape.vocab_size
    assert expected == pytest.approx(kept(config), rel=0.02)


@pytest.mark.parametrize("depth", [0, 1])
def test_states_are_those_of_adam(depth):
    config = composed("scale=30k", f"model.mtp.depth={depth}")
    shape = estimate_run(config).shape
    model = build(config.model, shape, 0)
    if depth:
        mtp.attach(model, depth, 0)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    tokens = torch.zeros((1, 8), dtype=torch.long)
    loss = model.train()(input_ids=tokens, labels=tokens).loss
    (loss + model.mtp.losses[0].sum() if depth else loss).backward()
    optimiser.step()
    tensors = [*model.parameters(), *(weight.grad for weight in model.parameters())]
    tensors += [value for state in optimiser.state.values() for key, value in state.items() if key != "step"]
    assert state_memory(config, shape) == sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def test_sharing_and_recomputing_need_less():
    def needed(*overrides):
        config = composed("scale=8m", "compute.device=cuda", "budget.steps=100", "optim.batch_tokens=8192", *overrides)
        return peak_memory(config, estimate_run(config))

    total = count(estimate_run(composed("scale=8m")).shape).total
    plain = needed("compute.strategy=ddp", "compute.processes=4")
    assert plain - needed("compute.strategy=zero2", "compute.processes=4") == pytest.approx(12 * total * 3 / 4)
    assert plain - needed("compute.strategy=zero3", "compute.processes=4") == pytest.approx(16 * total * 3 / 4)
    assert needed("compute.gradient_checkpointing=true") < needed()
    assert needed("compute.micro_batch=8") < needed()


def test_the_memory_of_a_model_behind_a_server_is_not_ours():
    config = composed("stage=generate", "data=sums", "engine=openai", "engine.model=x", "engine.api_key_env=null")
    assert peak_memory(config, estimate_run(config)) is None


def test_a_policy_on_several_processes_gathers_the_weights_that_it_shards(tmp_path):
    common = ["stage=grpo", "data=sums", "optim=rl", "budget.steps=1", f"model.checkpoint={write_model(tmp_path)}"]
    common += ["stage.prompts=2", "stage.samples=2", "engine.batch_size=4096", f"paths.outputs={tmp_path}/outputs"]

    def needed(*overrides):
        config = composed(*common, *overrides)
        return peak_memory(config, estimate_run(config))

    total = count(estimate_run(composed(*common)).shape).total
    one, ddp, zero2, zero3 = needed(), *(needed(f"compute={strategy}") for strategy in ("ddp", "zero2", "zero3"))
    assert one == ddp  # the answers that are written at once need more than an update, and are as many on each process
    assert ddp - zero2 == pytest.approx(12 * total / 2)
    assert zero2 == pytest.approx(zero3)  # whole weights while answers are written
    learning = ["stage.prompts=256", "engine.batch_size=1"]
    assert needed("compute=ddp", *learning) < 0.6 * needed(*learning)  # each process learns from half of the answers
    beta = "stage.loss.beta=0.1"
    assert needed("compute=zero2", beta) - zero2 == pytest.approx(4 * total)
    assert needed("compute=zero3", beta) - zero3 == pytest.approx(4 * total / 2)
