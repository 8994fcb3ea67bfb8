"""Models of any family at any rung of the ladder, from scratch or from a checkpoint, and their parameter counts.

A rung fixes width, depth and heads for all families. Their attention differs, so the feed-forward size is solved for: every
family then has the rung's number of active non-embedding parameters, and two families at one rung compare like with like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from openr1.errors import ConfigError
from openr1.models.families import FAMILIES, KEYS, Shape, attention_weights, ff_weights, vectors

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from openr1.models.options import ModelConfig, ScaleConfig

__all__ = ["FAMILIES", "ParamCount", "Shape", "build", "checkpoint_of", "checkpoint_shape", "count", "load", "shape", "size_of"]


class UnknownFamily(ConfigError):
    """A checkpoint whose architecture is none of :data:`FAMILIES`: it can be asked, but not counted."""


TOLERANCE = 0.15  # of a rung's parameters

# Argument of a config class -> the key of our config that decides it in place of model.options
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
class ParamCount:
    """Numbers of parameters. A tied embedding is one matrix and counts once."""

    total: int
    active: int  # that one token uses: all but the routed experts that it is not sent to
    non_embedding: int  # active, without the token embedding and the head: the N of scaling laws
    embedding: int  # the token embedding, and the head where it is not tied


def count(shape: Shape) -> ParamCount:
    """Exact parameter counts, equal to those of the model that :func:`build` makes."""
    embedding = shape.vocab_size * shape.width * (1 if shape.tie_embeddings else 2)
    others = shape.depth * attention_weights(shape) + vectors(shape)
    active, total = (others + ff_weights(shape, active=active) for active in (True, False))
    return ParamCount(total + embedding, active + embedding, active, embedding)


def size_of(shape: Shape, model: ModelConfig, scale: ScaleConfig) -> str:
    """What the size of a model is called: its rung, and of a checkpoint from elsewhere all its parameters, such as 135m."""
    params = count(shape)
    if model.pretrained or abs(params.non_embedding / scale.params - 1) <= TOLERANCE:
        return scale.name
    unit, letter = next(((unit, letter) for unit, letter in ((1e9, "b"), (1e6, "m")) if params.total >= unit), (1e3, "k"))
    return f"{params.total / unit:.3g}{letter}"


def shape(model: ModelConfig, scale: ScaleConfig, vocab_size: int, context: int) -> Shape:
    """The shape of a family at a rung, with the feed-forward size that brings it nearest to ``scale.params``.

    :raises ConfigError: where no feed-forward size meets the rung, or where ``model.options`` has a key that the family does
        not know or that another part of the config decides.
    """
    family = FAMILIES[model.family]
    head = scale.width // scale.heads
    fields: dict[str, Any] = {"head_size": head, "kv_heads": scale.kv_heads, **family.defaults}
    if "kv_rank" in family.keys:
        # DeepSeek-V2, section 3.1.2: a rank of four heads and rotary parts of half a head, but here never above half the width
        latent = {"kv_rank": min(4 * head, scale.width // 2), "rope_size": 2 * (head // 4), "value_size": head}
        fields |= latent | {"kv_heads": scale.heads}
    if "window" in family.keys:
        pattern = _integer(model.options, "sliding_window_pattern", family.fixed["sliding_window_pattern"])
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
        **fields | _shape_options(model),
    )
    if base.experts:
        _check_routing(base)
    return _solve(base, scale.params)


def _shape_options(model: ModelConfig) -> dict[str, Any]:
    """The options that decide the shape, as fields of it."""
    family = FAMILIES[model.family]
    fields = {key: name for name, key in family.keys.items() if key not in DECIDED}
    for key in model.options:
        if key in DECIDED:
            raise ConfigError(f"model.options.{key}: follows from {DECIDED[key]}; set that")
        if key not in fields and key not in family.options:
            raise ConfigError(f"model.options.{key}: is not one of {', '.join(sorted([*fields, *family.options]))}")
    return {name: _integer(model.options, key) for key, name in fields.items() if key in model.options}


def _integer(options: dict[str, Any], key: str, default: int | None = None) -> int:
    value = options.get(key, default)
    least = 0 if key in MAY_BE_ZERO else 1
    if (value is None and key in MAY_BE_NULL) or (isinstance(value, int) and value >= least):
        return value
    raise ConfigError(f"model.options.{key}: {value!r} is not a whole number of at least {least}")


def _check_routing(base: Shape) -> None:
    if base.experts % base.groups or base.experts // base.groups < 2:
        raise ConfigError(f"model.options.n_group: {base.experts} experts do not make {base.groups} groups of two or more")
    if base.active_groups > base.groups:
        raise ConfigError(f"model.options.topk_group: {base.active_groups} is above n_group={base.groups}")
    eligible = base.experts // base.groups * base.active_groups
    if base.active_experts > eligible:
        raise ConfigError(
            f"model.options.num_experts_per_tok: {base.active_experts} is above the {eligible} experts to choose from"
        )


def _solve(base: Shape, params: float) -> Shape:
    """With the feed-forward size, a multiple of 8, 64 or 128 as suits kernels, whose non-embedding parameters are nearest."""
    multiple = 8 if base.width < 512 else 64 if base.width < 2048 else 128

    def at(units: int) -> Shape:
        if not base.experts:
            return replace(base, ff=units * multiple)
        # as in DeepSeek-V3, a dense layer is as large as what one token uses of a layer of experts
        return replace(base, expert_ff=units * multiple, ff=units * multiple * (base.active_experts + base.shared_experts))

    without, one = count(at(0)).non_embedding, count(at(1)).non_embedding
    units = round((params - without) / (one - without))
    if units < 1:
        raise ConfigError(
            f"scale.params: {params:g} leaves no feed-forward block in {base.family} of scale.width={base.width} and "
            f"scale.depth={base.depth}, which needs {one:g} or more"
        )
    solved = at(units)
    if abs(count(solved).non_embedding / params - 1) > TOLERANCE:
        raise ConfigError(
            f"scale.params: {base.family} of scale.width={base.width} comes no nearer to {params:g} than "
            f"{count(solved).non_embedding:g}; take fewer active experts or another width"
        )
    return solved


def build(
    model: ModelConfig,
    shape: Shape,
    seed: int,
    *,
    dtype: str = "float32",
    bos_token_id: int | None = None,
    eos_token_id: int | None = None,
    pad_token_id: int | None = None,
) -> PreTrainedModel:
    """A model with fresh weights, the same for the same seed, as its family's own initialiser draws them. It has no dropout.

    Their standard deviation is ``model.init_std``, or sqrt(2 / (5 width)) (SmallInit of Nguyen and Salazar, arXiv 1910.05895).
    That is the customary 0.02 at width 1,000, and four times as much at 64, where 0.02 leaves a model on a plateau for hundreds
    of steps: ``experiment=init_small`` measures it.

    :raises ConfigError: where transformers refuses a value of ``model.options``.
    """
    import torch
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    family = FAMILIES[shape.family]
    arguments = {key: getattr(shape, name) for name, key in (KEYS | family.keys).items()}
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": model.rope_theta}
    if shape.family == "gemma3":
        # arXiv 2503.19786, section 2: layers with a window keep the base frequency of 10,000
        rope = {"full_attention": rope, "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0}}
        arguments["query_pre_attn_scalar"] = shape.head_size
    arguments["initializer_range"] = model.init_std or (2 / (5 * shape.width)) ** 0.5
    arguments |= {"rope_parameters": rope, "attention_dropout": 0.0, **family.fixed, **model.options}
    arguments |= {"bos_token_id": bos_token_id, "eos_token_id": eos_token_id, "pad_token_id": pad_token_id}
    try:
        config = getattr(transformers, family.config_class)(**arguments)
    except StrictDataclassError as error:
        raise ConfigError(f"model.options: {' '.join(str(error).split())}") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=model.attention, dtype=dtype)


def checkpoint_of(model: ModelConfig, scale: ScaleConfig) -> str | None:
    """The directory or Hub id that a run starts from; None for a model from scratch."""
    return model.checkpoint or (model.checkpoints[scale.name] if model.pretrained else None)


def checkpoint_shape(model: ModelConfig, scale: ScaleConfig, context: int) -> Shape:
    """The shape of the checkpoint, read from its ``config.json``. Neither the rung nor ``model.options`` decide it.

    :raises ConfigError: where there is no such checkpoint, its family is unknown, or ``context`` is beyond its positions.
    """
    config = _checkpoint_config(model, scale)
    name = next(name for name, family in FAMILIES.items() if family.model_type == config.model_type)
    if context > config.max_position_embeddings:
        raise ConfigError(f"data.context: {context} is beyond the checkpoint's {config.max_position_embeddings} positions")
    keys = KEYS | FAMILIES[name].keys
    fields = {field: getattr(config, key) for field, key in keys.items() if hasattr(config, key)}
    fields.setdefault("head_size", config.hidden_size // config.num_attention_heads)
    fields["windowed_layers"] = getattr(config, "layer_types", []).count("sliding_attention")
    return Shape(family=name, **fields)


def _checkpoint_config(model: ModelConfig, scale: ScaleConfig) -> PreTrainedConfig:
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    checkpoint = checkpoint_of(model, scale)
    try:
        raw, _ = PreTrainedConfig.get_config_dict(checkpoint, revision=model.revision)
    except OSError as error:
        raise ConfigError(
            f"model.checkpoint: {checkpoint!r} is no directory with a config.json and no Hub id in reach"
        ) from error
    known = [family.model_type for family in FAMILIES.values()]
    if raw.get("model_type") not in known:
        raise UnknownFamily(f"model.checkpoint: {checkpoint!r} is a {raw.get('model_type')}, not one of {', '.join(known)}")
    return CONFIG_MAPPING[raw["model_type"]].from_dict(raw)


def load(model: ModelConfig, scale: ScaleConfig) -> PreTrainedModel:
    """The checkpoint's model in float32, without dropout."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        checkpoint_of(model, scale),
        revision=model.revision or "main",
        attn_implementation=model.attention,
        attention_dropout=0.0,
        dtype="float32",
    )
