"""Checkpoints that runs start from: directories and models of the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from openr1.errors import ConfigError
from openr1.models.families import FAMILIES, KEYS
from openr1.models.shape import Shape

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from openr1.models.options import ModelConfig, ScaleConfig


class UnknownFamily(ConfigError):
    """A checkpoint whose architecture is none of :data:`FAMILIES`: it can generate, but its FLOPs cannot be counted."""


def checkpoint_of(model: ModelConfig, scale: ScaleConfig) -> str | None:
    """Return the directory or Hub id that a run starts from; None for a model from scratch."""
    return model.checkpoint or (model.checkpoints[scale.name] if model.pretrained else None)


def checkpoint_shape(model: ModelConfig, scale: ScaleConfig, context: int) -> Shape:
    """Read the shape of the checkpoint from its ``config.json``; ``scale`` and ``model.options`` do not change it.

    :raises ConfigError: if there is no such checkpoint, its family is unknown, or ``context`` is beyond its positions.
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
            f"model.checkpoint: {checkpoint!r} is neither a directory with a config.json nor a Hub id that can be reached"
        ) from error
    known = [family.model_type for family in FAMILIES.values()]
    if raw.get("model_type") not in known:
        raise UnknownFamily(f"model.checkpoint: {checkpoint!r} is a {raw.get('model_type')}, not one of {', '.join(known)}")
    return CONFIG_MAPPING[raw["model_type"]].from_dict(raw)


def load(model: ModelConfig, scale: ScaleConfig) -> PreTrainedModel:
    """Load the checkpoint's model in float32, without dropout.

    :raises ConfigError: if one of its files is damaged.
    """
    from transformers import AutoModelForCausalLM

    checkpoint = checkpoint_of(model, scale)
    with refuse_damaged("model.checkpoint", checkpoint):
        return AutoModelForCausalLM.from_pretrained(
            checkpoint,
            revision=model.revision or "main",
            attn_implementation=model.attention,
            attention_dropout=0.0,
            dtype="float32",
        )


@contextmanager
def refuse_damaged(key: str, checkpoint: str | None) -> Iterator[None]:
    """Refuse a checkpoint that transformers cannot load in the block.

    :param key: where the config names it.
    :raises ConfigError: with the first line of what transformers says.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, UnpicklingError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{key}: {checkpoint} cannot be loaded: {reason}") from error
