"""Model families: the class of each one's ``transformers`` config, the names of its arguments, and what its layers hold."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """One architecture of transformers: how its config class names the fields of ``Shape``, and what the architecture fixes."""

    model_type: str  # as in a checkpoint's config.json
    config_class: str  # in transformers
    keys: dict[str, str] = field(default_factory=dict)  # field of Shape -> argument of the config class, beside KEYS
    options: tuple[str, ...] = ()  # further keys of model.options, which change neither counts nor FLOPs
    defaults: dict[str, int] = field(default_factory=dict)  # fields of Shape that scale= does not decide
    fixed: dict[str, int] = field(default_factory=dict)  # arguments of the config class that are not fields of Shape
    norms: int = 2  # RMS norms of size `width` in a layer
    qk_norm: bool = False  # an RMS norm of each head's queries and keys
    qkv_bias: bool = False  # biases on the query, key and value projections, whatever attention_bias is


# Field of Shape -> argument of every config class. scale=, data= and model.tie_embeddings decide these.
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
