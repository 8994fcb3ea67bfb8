"""Shapes of models: their parameter counts, and the feed-forward size that gives a family the parameters of a size.

Every family is a decoder of ``depth`` layers, each an attention and a gated feed-forward block (three matrices), with rotary
position embeddings and RMS norms, so a flat :class:`Shape` describes any of them.

``scale=`` fixes width, depth and heads for all families. Their attention differs, so the feed-forward size is solved for: every
family then has the same number of active non-embedding parameters, and two families at one size compare like with like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openr1.models.families import FAMILIES
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.models.options import ModelConfig, ScaleConfig

TOLERANCE = 0.15  # relative distance between the parameters of a shape and `scale.params`

# Argument of a config class -> the key of our config that decides it, so that model.options may not
DECIDED = {
    "vocab_size": "data.tokenizer",
    "max_position_embeddings": "data.context",
    "hidden_size": "scale.width",
    "num_hidden_layers": "scale.depth",
    "num_attention_heads": "scale.heads",
    "num_key_value_heads": "scale.kv_heads",
    "intermediate_size": "scale.params",
    "moe_intermediate_size": "scale.params",
    "tie_word_embeddings": "model.tie_embeddings",
    "rope_theta": "model.rope_theta",
    "initializer_range": "model.init_std",
}
MAY_BE_ZERO = ("attention_bias", "first_k_dense_replace", "mlp_bias", "n_shared_experts")
MAY_BE_NULL = ("q_lora_rank",)


@dataclass(frozen=True)
class Shape:
    """Sizes of a model, in elements: everything that parameter counts and FLOPs depend on."""

    family: str
    vocab_size: int
    context: int  # the model's positions
    width: int  # of the residual stream
    depth: int
    heads: int
    kv_heads: int
    head_size: int  # of queries, keys and values; with latent attention, of the part of queries and keys that is not rotated
    ff: int  # hidden size of a dense feed-forward block
    tie_embeddings: bool = True
    attention_bias: bool = False
    mlp_bias: bool = False
    # sliding-window attention (Gemma 3)
    window: int | None = None  # positions that a windowed layer attends to; None for all
    windowed_layers: int = 0
    # multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)
    kv_rank: int | None = None
    q_rank: int | None = None  # None: queries are not compressed
    rope_size: int = 0  # rotated part of queries and keys
    value_size: int | None = None
    # mixture of experts (DeepSeekMoE, arXiv 2401.06066): layers from `dense_layers` on
    experts: int = 0  # routed
    active_experts: int = 0  # routed experts that one token uses
    shared_experts: int = 0
    expert_ff: int = 0
    dense_layers: int = 0
    groups: int = 1  # of experts; a token is routed to experts of `active_groups` of them
    active_groups: int = 1
    # numbers that a head without bias gives in place of the logits of tokens, such as the reward; None for a language model
    labels: int | None = None
    mtp_depth: int = 0  # modules of multi-token prediction (openr1.models.mtp), which only training and drafts use

    @property
    def moe_layers(self) -> int:
        return max(0, self.depth - self.dense_layers) if self.experts else 0

    @property
    def qk_size(self) -> int:
        """Return the elements of one head's query, and of its key."""
        return self.head_size + self.rope_size

    @property
    def v_size(self) -> int:
        """Return the elements of one head's value."""
        return self.value_size or self.head_size


def attention_weights(shape: Shape) -> int:
    """Count the elements of the matrices in the attention of one layer."""
    out = shape.heads * shape.v_size * shape.width
    if shape.kv_rank is None:
        return out + shape.width * shape.head_size * (shape.heads + 2 * shape.kv_heads)
    queries = shape.heads * shape.qk_size
    query = shape.width * queries if shape.q_rank is None else shape.q_rank * (shape.width + queries)
    down = shape.width * (shape.kv_rank + shape.rope_size)
    up = shape.kv_rank * shape.heads * (shape.head_size + shape.v_size)
    return out + query + down + up


def ff_weights(shape: Shape, active: bool) -> int:
    """Count the elements of the matrices in the feed-forward blocks of all layers, the router included.

    :param active: count only the experts that one token uses.
    """
    dense = 3 * shape.width * shape.ff * (shape.depth - shape.moe_layers)
    experts = shape.shared_experts + (shape.active_experts if active else shape.experts)
    return dense + shape.moe_layers * shape.width * (3 * shape.expert_ff * experts + shape.experts)


def lora_weights(shape: Shape, rank: int) -> int:
    """Count the elements of low-rank adapters beside every linear layer of all blocks: rank x (in + out) each.

    :raises ValueError: for latent attention and for experts, whose adapters are not counted.
    """
    if shape.kv_rank is not None or shape.experts:
        raise ValueError(f"{shape.family}: adapters are counted for plain attention and feed-forward blocks only")
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    attention = 2 * (shape.width + queries) + 2 * (shape.width + keys)
    return rank * shape.depth * (attention + 3 * (shape.width + shape.ff))


def vector_weights(shape: Shape) -> int:
    """Count the elements of all norms and biases."""
    family = FAMILIES[shape.family]
    layer = family.norms * shape.width
    if family.qk_norm:
        layer += 2 * shape.head_size
    if shape.kv_rank is not None:
        layer += shape.kv_rank + (shape.q_rank or 0)
        biases = shape.width + shape.kv_rank + shape.rope_size + (shape.q_rank or 0)
    else:
        biases = shape.width + shape.head_size * (shape.heads + 2 * shape.kv_heads)
    if shape.attention_bias:
        layer += biases
    if family.qkv_bias:
        layer += shape.head_size * (shape.heads + 2 * shape.kv_heads)
    if shape.mlp_bias:
        layer += shape.width + 2 * shape.ff
    return shape.depth * layer + shape.width


def mtp_block(shape: Shape) -> Shape:
    """Return the shape of a model of one layer, the one in a module of multi-token prediction.

    It is of the kind of the model's last layer or, where layers have windows, of the last one without a window.
    """
    windowed = int(shape.windowed_layers == shape.depth)
    return replace(shape, depth=1, dense_layers=int(shape.moe_layers == 0), windowed_layers=windowed, mtp_depth=0)


def mtp_weights(shape: Shape) -> int:
    """Count the elements of all modules of multi-token prediction, which share embedding and head with the model.

    Each has a layer, a projection of 2 width to width, a norm of each of its two inputs, and one of its output.
    """
    block = mtp_block(shape)
    layer = attention_weights(block) + ff_weights(block, active=False) + vector_weights(block)  # the last norm among them
    return shape.mtp_depth * (layer + 2 * shape.width**2 + 2 * shape.width)


@dataclass(frozen=True)
class ParamCount:
    """Numbers of parameters. A tied embedding is one matrix and counts once.

    All but ``mtp`` are those of the model that is saved and used, without modules of multi-token prediction.
    """

    total: int
    active: int  # parameters that one token uses: all but the experts that it is not routed to
    non_embedding: int  # active ones without the token embedding and the head: the N of scaling laws
    embedding: int  # parameters of the token embedding, and of the head if it is not tied, or of the head of labels
    mtp: int = 0  # parameters of the modules of multi-token prediction, all experts included


def count(shape: Shape) -> ParamCount:
    """Count parameters exactly, as in what :func:`openr1.models.build.build` and :func:`openr1.models.mtp.attach` make."""
    if shape.labels:  # openr1.models.reward_models.build_reward_model
        embedding = (shape.vocab_size + shape.labels) * shape.width
    else:
        embedding = shape.vocab_size * shape.width * (1 if shape.tie_embeddings else 2)
    others = shape.depth * attention_weights(shape) + vector_weights(shape)
    active, total = (others + ff_weights(shape, active=active) for active in (True, False))
    return ParamCount(total + embedding, active + embedding, active, embedding, mtp_weights(shape) if shape.mtp_depth else 0)


def size_of(shape: Shape, model: ModelConfig, scale: ScaleConfig) -> str:
    """Name the size of a model: by the ladder (``scale.name``) or, of another checkpoint, by all its parameters (``135m``)."""
    params = count(shape)
    if model.pretrained or abs(params.non_embedding / scale.params - 1) <= TOLERANCE:
        return scale.name
    unit, letter = next(((unit, letter) for unit, letter in ((1e9, "b"), (1e6, "m")) if params.total >= unit), (1e3, "k"))
    return f"{params.total / unit:.3g}{letter}"


def solve_shape(model: ModelConfig, scale: ScaleConfig, vocab_size: int, context: int) -> Shape:
    """Return the shape of a family at a size, with the feed-forward size that brings it nearest to ``scale.params``.

    :raises ConfigError: if no feed-forward size gives about ``scale.params``, or if ``model.options`` has a key that the family
        does not have or that another key of the config decides.
    """
    family = FAMILIES[model.family]
    head = scale.width // scale.heads
    fields: dict[str, Any] = {"head_size": head, "kv_heads": scale.kv_heads, **family.defaults}
    if "kv_rank" in family.keys:
        # DeepSeek-V2, section 3.1.2: a rank of four heads, and rotary parts of half a head; here at most half the width
        latent = {"kv_rank": min(4 * head, scale.width // 2), "rope_size": 2 * (head // 4), "value_size": head}
        fields |= latent | {"kv_heads": scale.heads}
    if "window" in family.keys:
        key = "sliding_window_pattern"
        pattern = _integer(key, model.options.get(key, family.fixed[key]))
        fields["windowed_layers"] = scale.depth - scale.depth // pattern
    base = Shape(
        family=model.family,
        vocab_size=vocab_size,
        context=context,
        width=scale.width,
        depth=scale.depth,
        heads=scale.heads,
        ff=0,
        tie_embeddings=model.tie_embeddings,
        mtp_depth=model.mtp.depth,
        **fields | _shape_options(model),
    )
    if base.experts:
        _check_routing(base)
    return _solve(base, scale.params)


def _shape_options(model: ModelConfig) -> dict[str, Any]:
    """Return the options that decide the shape, as fields of it."""
    family = FAMILIES[model.family]
    fields = {key: name for name, key in family.keys.items() if key not in DECIDED}
    for key in model.options:
        if key in DECIDED:
            raise ConfigError(f"model.options.{key}: follows from {DECIDED[key]}; set that key")
        if key not in fields and key not in family.options:
            allowed = ", ".join(sorted([*fields, *family.options]))
            raise ConfigError(f"model.options.{key}: unknown option of {model.family}; allowed are {allowed}")
    chosen = {key: model.options[key] for key in fields if key in model.options}
    return {
        fields[key]: None if value is None and key in MAY_BE_NULL else _integer(key, value) for key, value in chosen.items()
    }


def _integer(key: str, value: Any) -> int:
    least = 0 if key in MAY_BE_ZERO else 1
    if isinstance(value, int) and value >= least:
        return value
    raise ConfigError(f"model.options.{key}: {value!r} is not a whole number of at least {least}")


def _check_routing(base: Shape) -> None:
    if base.experts % base.groups or base.experts // base.groups < 2:
        raise ConfigError(
            f"model.options.n_group: {base.experts} experts cannot be divided into {base.groups} groups of two or more"
        )
    if base.active_groups > base.groups:
        raise ConfigError(f"model.options.topk_group: {base.active_groups} is above n_group={base.groups}")
    eligible = base.experts // base.groups * base.active_groups
    if base.active_experts > eligible:
        raise ConfigError(
            f"model.options.num_experts_per_tok: {base.active_experts} is above the {eligible} experts to choose from"
        )


def _solve(base: Shape, params: float) -> Shape:
    """Set the feed-forward size whose non-embedding parameters are nearest to ``params``.

    It is a multiple of 8, 64 or 128, as kernels prefer.
    """
    multiple = 8 if base.width < 512 else 64 if base.width < 2048 else 128

    def with_units(units: int) -> Shape:
        if not base.experts:
            return replace(base, ff=units * multiple)
        # as in DeepSeek-V3, a dense layer is as large as what one token uses of a layer of experts
        return replace(base, expert_ff=units * multiple, ff=units * multiple * (base.active_experts + base.shared_experts))

    none, one = (count(with_units(units)).non_embedding for units in (0, 1))
    units = round((params - none) / (one - none))
    if units < 1:
        raise ConfigError(
            f"scale.params: {params:g} leaves no feed-forward block in {base.family} of scale.width={base.width} and "
            f"scale.depth={base.depth}, which needs {one:g} or more"
        )
    solved = with_units(units)
    if abs(count(solved).non_embedding / params - 1) > TOLERANCE:
        raise ConfigError(
            f"scale.params: {base.family} of scale.width={base.width} has {count(solved).non_embedding:g} parameters at "
            f"the nearest to {params:g}; choose fewer active experts or another width"
        )
    return solved
