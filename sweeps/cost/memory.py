"""Estimates of the memory that a stage needs on one device, in bytes, from shapes and without the buffers of libraries.

Weights, gradients and the two moments of Adam are in float32, with P parameters 4 P, 4 P and 8 P bytes; autocast adds a copy of
the weights in half precision, 2 P. ZeRO-2 divides gradients and moments between the processes, ZeRO-3 the weights too (ZeRO,
arXiv 1910.02054, section 3). Adapters (LoRA) have gradients and moments; the frozen weights have none.

Activations are the tensors that the backward pass needs, counted for each token as Korthikanti et al. (arXiv 2205.05198,
section 4.1) count those of GPT, here for a block without dropout, with a fused softmax, of width d, H heads with queries of
size q and values of size v, and a gated feed-forward block of size f:

    3 d + 1             a norm: its input, the normalised input before its weight, its output, and the inverse root mean square
    (H + K) (q + v) + H queries, output of attention, keys and values of K heads, and the statistics of a fused softmax
    4 f                 gate, output of its activation, the other factor, and their product
    3 V                 once: logits, their logarithm and its gradient, over a vocabulary of V

Norms are in float32; under autocast all else is in half precision. A norm of queries and keys keeps them twice. Where attention
is not fused (``model.attention=eager``) each head keeps the weights of all keys, and keys and values of its own. With gradient
checkpointing a block keeps its input only, and one block at a time all of the above. A module of multi-token prediction adds
what a model of one layer keeps, its head included, and its two further norms. For latent attention and experts the estimate is
about two thirds of the activations: copies on the way to an expert, or joined to a rotated part, are not counted.
"""

from __future__ import annotations

from openr1.config.schema import Config
from openr1.models.families import FAMILIES
from openr1.models.shape import Shape, count, lora_weights, mtp_block
from openr1.rl.budget import RolloutBudget
from openr1.runs.dataset import problems_extent
from openr1.runs.inputs import is_served
from openr1.training.budget import TokenBudget, split_batch
from openr1.training.context import RunEstimate

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
EVALUATED = 2**25  # elements of the largest tensor of an evaluation (openr1/training/trainer.py)


def peak_memory(config: Config, estimate: RunEstimate) -> float | None:
    """Return the peak bytes on one device; None where the model is not known, or an engine takes all memory there is."""
    shape, kind = estimate.shape, config.stage.kind
    if shape is None:
        return None
    if kind in ("pretrain", "sft", "reward_model"):
        return training_memory(config, shape, estimate.budget) if isinstance(estimate.budget, TokenBudget) else None
    if is_served(config) or config.engine.kind == "vllm":
        return None
    if isinstance(estimate.budget, RolloutBudget):
        compute, weights = config.compute, 4.0 * count(shape).total
        shards = compute.processes if compute.strategy == "zero3" else 1
        reference = weights / shards * (config.stage.loss.beta > 0)
        gathered = weights - weights / shards  # for generation
        learned, _ = split_batch(estimate.budget.batch, compute.processes, compute.micro_batch)
        longest = min(shape.context, config.stage.sampling.max_tokens + _prompt_tokens(config))
        state = state_memory(config, shape)
        learning = state + learned * longest * activation_memory(config, shape, longest)
        return reference + max(learning, state + gathered + cache_memory(config, shape, longest))
    weights = BYTES[config.engine.dtype] * count(shape).total
    longest = min(shape.context, config.stage.sampling.max_tokens + _prompt_tokens(config))
    return weights + cache_memory(config, shape, longest)


def training_memory(config: Config, shape: Shape, budget: TokenBudget) -> float:
    """Return the bytes of a training step, or of an evaluation, which has no gradients but larger batches, if it needs more."""
    micro, _ = split_batch(budget.batch, config.compute.processes, config.compute.micro_batch)
    context = config.data.context
    state = state_memory(config, shape)
    sides = 2 if config.stage.pairs else 1  # answers of a sequence of the batch
    step = state + micro * sides * context * activation_memory(config, shape, context)
    if shape.labels:
        return step  # its evaluation keeps no logits of tokens
    rows = max(1, min(64, EVALUATED // (context * shape.vocab_size), config.data.eval_tokens // context))
    gradients = 4.0 * _trained_params(config, shape)
    evaluation = state - gradients + rows * context * 2 * 4.0 * shape.vocab_size
    return max(step, evaluation)


def state_memory(config: Config, shape: Shape) -> float:
    """Return the bytes of weights, gradients and moments."""
    total, trained, compute = _params(config, shape), _trained_params(config, shape), config.compute
    # processes that the weights, and gradients and moments, are divided between
    division = {"zero2": (1, compute.processes), "zero3": (compute.processes, compute.processes)}
    weights_by, moments_by = division.get(compute.strategy, (1, 1))
    weights = 4.0 * total + (4.0 * trained if trained != total else 0.0)
    half = 2.0 * total if compute.precision == "bfloat16" else 0.0
    return (weights + half) / weights_by + 12.0 * trained / moments_by


def _params(config: Config, shape: Shape) -> int:
    """Count all parameters of a stage that trains, modules of multi-token prediction included."""
    params = count(shape)
    return params.total + (params.mtp if config.stage.kind in ("pretrain", "sft") else 0)


def _trained_params(config: Config, shape: Shape) -> float:
    lora = getattr(config.stage, "lora", None)
    return float(_params(config, shape) if lora is None or lora.rank is None else lora_weights(shape, lora.rank))


def activation_memory(config: Config, shape: Shape, context: int) -> float:
    """Return the bytes that a forward pass keeps for each token of sequences of ``context`` tokens."""
    half = 2.0 if config.compute.precision == "bfloat16" else 4
    family, dense, eager = FAMILIES[shape.family], shape.depth - shape.moe_layers, config.model.attention == "eager"
    keys = shape.heads if shape.kv_rank is not None or eager else shape.kv_heads
    # the output of a norm before a block is the input of a product; that of a norm after it is added to the residual stream
    norms = family.norms * (2 * shape.width + 1) * 4 + 2 * shape.width * half
    attention = (shape.heads + keys) * (shape.qk_size + shape.v_size) * half
    attention += shape.heads * (context if eager else 1) * 4
    if family.qk_norm:
        attention += (shape.heads + shape.kv_heads) * (2 * shape.head_size + 1) * 4
    experts = shape.expert_ff * (shape.active_experts + shape.shared_experts)
    blocks = 4 * (shape.ff * dense + experts * shape.moe_layers) * half
    layers = shape.depth * (norms + attention) + blocks
    if config.compute.gradient_checkpointing:
        layers = layers / shape.depth + shape.depth * shape.width * half
    model = layers + 3 * (shape.labels or shape.vocab_size) * 4 + (2 * shape.width + 1) * 4 + shape.width * half
    if not shape.mtp_depth:
        return model
    # two norms and what they are joined to; the input of one is kept already, since the head needs it
    joining = (3 * shape.width + 2) * 4 + 2 * shape.width * half
    return model + shape.mtp_depth * (joining + activation_memory(config, mtp_block(shape), context))


def cache_memory(config: Config, shape: Shape, tokens: int) -> float:
    """Return the bytes of keys and values, and of the logits, of a batch of completions of ``tokens`` tokens."""
    size = BYTES[config.engine.dtype]
    each = shape.heads * (shape.qk_size + shape.v_size) if shape.kv_rank else 2 * shape.kv_heads * shape.head_size
    return config.engine.batch_size * (tokens * shape.depth * each * size + 2 * shape.vocab_size * 4)


def _prompt_tokens(config: Config) -> int:
    return round(problems_extent(config).prompt_bytes)  # a token has at least one byte
