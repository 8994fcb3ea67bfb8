"""What sets the model families apart: names, options, and the weights of one layer as numbers.

Every family is a decoder of ``depth`` layers, each an attention and a gated feed-forward block (three matrices), with rotary
position embeddings and RMS norms, so a flat :class:`Shape` describes any of them. Nothing here imports transformers.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """One architecture of transformers: how its config class names our numbers, and what is fixed by the architecture."""

    model_type: str  # as in a checkpoint's config.json
    config_class: str  # in transformers
    keys: dict[str, str] = field(default_factory=dict)  # field of Shape -> argument of the config class, beside KEYS
    options: tuple[str, ...] = ()  # what else model.options may set; changes neither counts nor FLOPs
    defaults: dict[str, int] = field(default_factory=dict)  # fields of Shape that no rung decides
    fixed: dict[str, int] = field(default_factory=dict)  # arguments of the config class that are no field of Shape
    norms: int = 2  # RMS norms of width `width` in a layer
    qk_norm: bool = False  # an RMS norm of each head's queries and keys
    qkv_bias: bool = False  # biases on the query, key and value projections, whatever attention_bias is


# Field of Shape -> argument of every config class. The rung, the data and model.tie_embeddings decide these.
KEYS = {
    "vocab_size": "vocab_size",
    "context": "max_position_embeddings",
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "ff": "intermediate_size",
    "tie_embeddings": "tie_word_embeddings",
}

_OPTIONS = ("rms_norm_eps", "rope_parameters", "use_cache")
_HEAD = {"head_size": "head_dim", "attention_bias": "attention_bias"}

FAMILIES: dict[str, Family] = {
    "qwen2": Family("qwen2", "Qwen2Config", options=("hidden_act", *_OPTIONS), qkv_bias=True),
    "qwen3": Family("qwen3", "Qwen3Config", keys=_HEAD, options=("hidden_act", *_OPTIONS), qk_norm=True),
    "llama": Family("llama", "LlamaConfig", keys=_HEAD | {"mlp_bias": "mlp_bias"}, options=("hidden_act", *_OPTIONS)),
    "gemma3": Family(
        "gemma3_text",
        "Gemma3TextConfig",
        keys=_HEAD | {"window": "sliding_window"},
        options=(
            "hidden_activation",
            "query_pre_attn_scalar",
            "sliding_window_pattern",
            "attn_logit_softcapping",
            "final_logit_softcapping",
            *_OPTIONS,
        ),
        defaults={"window": 512},
        fixed={"sliding_window_pattern": 6},
        norms=4,
        qk_norm=True,
    ),
    "deepseek_v3": Family(
        "deepseek_v3",
        "DeepseekV3Config",
        keys={
            "head_size": "qk_nope_head_dim",
            "rope_size": "qk_rope_head_dim",
            "value_size": "v_head_dim",
            "kv_rank": "kv_lora_rank",
            "q_rank": "q_lora_rank",
            "attention_bias": "attention_bias",
            "experts": "n_routed_experts",
            "active_experts": "num_experts_per_tok",
            "shared_experts": "n_shared_experts",
            "expert_ff": "moe_intermediate_size",
            "dense_layers": "first_k_dense_replace",
            "groups": "n_group",
            "active_groups": "topk_group",
        },
        options=("hidden_act", "norm_topk_prob", "routed_scaling_factor", "rope_interleave", *_OPTIONS),
        defaults={
            "experts": 8,
            "active_experts": 2,
            "shared_experts": 1,
            "dense_layers": 1,
            "groups": 1,
            "active_groups": 1,
        },
        fixed={"num_mtp_layers": 0},
    ),
}


@dataclass(frozen=True)
class Shape:
    """All that parameter counts and FLOPs depend on. Sizes are numbers of elements."""

    family: str
    vocab_size: int
    context: int  # positions that the model is made for
    width: int  # of the residual stream
    depth: int
    heads: int
    kv_heads: int
    head_size: int  # of keys and values; with latent attention, of the part of queries and keys that is not rotated
    ff: int  # hidden size of a dense feed-forward block
    tie_embeddings: bool = True
    attention_bias: bool = False
    mlp_bias: bool = False
    # sliding-window attention (Gemma 3)
    window: int | None = None  # positions that a windowed layer sees; null: all
    windowed_layers: int = 0
    # multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)
    kv_rank: int | None = None
    q_rank: int | None = None  # null: queries are not compressed
    rope_size: int = 0  # rotated part of queries and keys
    value_size: int | None = None
    # mixture of experts (DeepSeekMoE, arXiv 2401.06066): layers from `dense_layers` on
    experts: int = 0  # routed
    active_experts: int = 0  # of the routed, for one token
    shared_experts: int = 0
    expert_ff: int = 0
    dense_layers: int = 0
    groups: int = 1  # of experts; a token is sent to experts of `active_groups` of them
    active_groups: int = 1

    @property
    def moe_layers(self) -> int:
        return max(0, self.depth - self.dense_layers) if self.experts else 0

    @property
    def qk_size(self) -> int:
        """Elements of one head's query, and of its key."""
        return self.head_size + self.rope_size

    @property
    def v_size(self) -> int:
        """Elements of one head's value."""
        return self.value_size or self.head_size


def attention_weights(shape: Shape) -> int:
    """Elements of the matrices in the attention of one layer."""
    out = shape.heads * shape.v_size * shape.width
    if shape.kv_rank is None:
        return out + shape.width * shape.head_size * (shape.heads + 2 * shape.kv_heads)
    queries = shape.heads * shape.qk_size
    query = shape.width * queries if shape.q_rank is None else shape.q_rank * (shape.width + queries)
    down = shape.width * (shape.kv_rank + shape.rope_size)
    up = shape.kv_rank * shape.heads * (shape.head_size + shape.v_size)
    return out + query + down + up


def ff_weights(shape: Shape, active: bool) -> int:
    """Elements of the matrices in the feed-forward blocks of all layers, router included; where active, that one token uses."""
    dense = 3 * shape.width * shape.ff * (shape.depth - shape.moe_layers)
    experts = shape.shared_experts + (shape.active_experts if active else shape.experts)
    return dense + shape.moe_layers * shape.width * (3 * shape.expert_ff * experts + shape.experts)


def lora_weights(shape: Shape, rank: int) -> int:
    """Elements of low-rank adapters of that rank beside every linear layer of all blocks: rank x (in + out) each.

    :raises ValueError: for latent attention and experts, whose layers are not all plain ones.
    """
    if shape.kv_rank is not None or shape.experts:
        raise ValueError(f"{shape.family}: adapters are counted for plain attention and feed-forward blocks only")
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    attention = 2 * (shape.width + queries) + 2 * (shape.width + keys)
    return rank * shape.depth * (attention + 3 * (shape.width + shape.ff))


def vectors(shape: Shape) -> int:
    """Elements of all norms and biases."""
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
