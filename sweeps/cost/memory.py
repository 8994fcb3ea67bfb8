"""What a stage needs of the memory of one device, in bytes: an estimate from shapes, without a library's own buffers.

Weights, gradients and the two moments of Adam are in float32, with P parameters 4 P, 4 P and 8 P bytes; autocast adds a copy of
the weights in half precision, 2 P. ZeRO-2 shares gradients and moments between the processes, ZeRO-3 the weights too (ZeRO,
arXiv 1910.02054, section 3). Adapters (LoRA) have gradients and moments, the weights beside them none.

Activations are what the backward pass needs, counted for each token as Korthikanti et al. (arXiv 2205.05198, section 4.1) count
those of GPT, here for a block without dropout, with a fused softmax, of width d, H heads with queries of size q and values of
size v, and a gated feed-forward block of size f:

    3 d + 1             a norm: its input, what it makes of it before its weight, its output, and the inverse root mean square
    (H + K) (q + v) + H queries, what attention gives, keys and values of K heads, and what a fused softmax is made again from
    4 f                 gate, what its activation gives, the other factor, and their product
    3 V                 once: logits, their logarithm and its gradient, over a vocabulary of V

Norms are in float32, under autocast the rest is in half precision. A norm of queries and keys keeps them twice. Where attention
is not fused (``model.attention=eager``) each head keeps the weights of all keys, and keys and values of its own. With gradient
checkpointing a block keeps its input only, and one block at a time the rest. For latent attention and experts it is too little,
about two thirds of the activations: what is copied on the way to an expert, or joined to a rotated part, is not counted.
"""

from __future__ import annotations

from openr1.config.schema import Config
from openr1.models.build import count
from openr1.models.families import FAMILIES, Shape, lora_weights
from openr1.runs.inputs import is_served
from openr1.training.budget import Budget, split_batch
from openr1.training.context import RunEstimate

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
EVALUATED = 2**25  # elements of the largest tensor that an evaluation makes (openr1/training/trainer.py)


def memory(config: Config, estimate: RunEstimate) -> float | None:
    """Bytes on one device at the peak; None where the model is not known, or an engine takes what there is."""
    shape, kind = estimate.shape, config.stage.kind
    if shape is None:
        return None
    if kind in ("pretrain", "sft"):
        return None if estimate.budget is None else training(config, shape, estimate.budget)
    if is_served(config) or config.engine.kind == "vllm":
        return None
    if kind == "grpo":
        reference = 4.0 * count(shape).total * (config.stage.loss.beta > 0)
        learned = config.compute.micro_batch or estimate.budget.batch
        longest = min(shape.context, config.stage.sampling.max_tokens + _prompt(config))
        learning = states(config, shape) + learned * longest * activations(config, shape, longest)
        return reference + max(learning, states(config, shape) + cache(config, shape, longest))
    weights = BYTES[config.engine.dtype] * count(shape).total
    return weights + cache(config, shape, min(shape.context, config.stage.sampling.max_tokens + _prompt(config)))


def training(config: Config, shape: Shape, budget: Budget) -> float:
    """Of a training step, or of an evaluation where that needs more: it has no gradients, but larger batches."""
    micro, _ = split_batch(budget.batch, config.compute.processes, config.compute.micro_batch)
    context = config.data.context
    step = states(config, shape) + micro * context * activations(config, shape, context)
    rows = max(1, min(64, EVALUATED // (context * shape.vocab_size), config.data.eval_tokens // context))
    gradients = 4.0 * _trained(config, shape)
    evaluation = states(config, shape) - gradients + rows * context * 2 * 4.0 * shape.vocab_size
    return max(step, evaluation)


def states(config: Config, shape: Shape) -> float:
    """Bytes of weights, gradients and moments."""
    total, trained, compute = count(shape).total, _trained(config, shape), config.compute
    sharing = {"zero2": (1, compute.processes), "zero3": (compute.processes, compute.processes)}
    weights_by, rest_by = sharing.get(compute.strategy, (1, 1))
    weights = 4.0 * total + (4.0 * trained if trained != total else 0.0)
    half = 2.0 * total if compute.precision == "bfloat16" else 0.0
    return (weights + half) / weights_by + 12.0 * trained / rest_by


def _trained(config: Config, shape: Shape) -> float:
    lora = getattr(config.stage, "lora", None)
    return float(count(shape).total if lora is None or lora.rank is None else lora_weights(shape, lora.rank))


def activations(config: Config, shape: Shape, context: int) -> float:
    """Bytes that a forward pass keeps for each token of sequences of ``context``."""
    half = 2 if config.compute.precision == "bfloat16" else 4
    family, dense, eager = FAMILIES[shape.family], shape.depth - shape.moe_layers, config.model.attention == "eager"
    keys = shape.heads if shape.kv_rank is not None or eager else shape.kv_heads
    # what a norm before a block gives is the input of a product; one after it is added to the residual stream
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
    return layers + 3 * shape.vocab_size * 4 + (2 * shape.width + 1) * 4 + shape.width * half


def cache(config: Config, shape: Shape, tokens: int) -> float:
    """Bytes of keys and values, and of the logits, of completions that are written side by side."""
    size = BYTES[config.engine.dtype]
    each = shape.heads * (shape.qk_size + shape.v_size) if shape.kv_rank else 2 * shape.kv_heads * shape.head_size
    return config.engine.batch_size * (tokens * shape.depth * each * size + 2 * shape.vocab_size * 4)


def _prompt(config: Config) -> int:
    from openr1.data import problems

    return round(problems.extent(config).prompt_bytes)  # a token has at least one byte
