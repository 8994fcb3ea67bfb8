"""Checkpoints that runs start from: directories and models of the Hub.

A checkpoint may be someone else's. Its weights are read from safetensors first, pickled ones only as tensors, and code that it
brings is never run.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from openr1.models.families import FAMILIES, KEYS
from openr1.models.parametrization import RECORD, Parametrization
from openr1.models.shape import Shape
from openr1.system.errors import ConfigError
from openr1.system.hub import HUB_ID, look_for_hub

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
    return Shape(family=name, mtp_depth=model.mtp.depth, **fields)


def checkpoint_parametrization(model: ModelConfig, scale: ScaleConfig) -> Parametrization | None:
    """Return the parametrization that the checkpoint was initialised in; None for the standard one.

    :raises ConfigError: if there is no such checkpoint, or its family is unknown.
    """
    record = getattr(_checkpoint_config(model, scale), RECORD, None)
    return Parametrization.of_record(record) if record else None


def _checkpoint_config(model: ModelConfig, scale: ScaleConfig) -> PreTrainedConfig:
    from transformers import CONFIG_MAPPING, PreTrainedConfig

    checkpoint = checkpoint_of(model, scale)
    look_for_hub(str(checkpoint))
    try:
        raw, _ = PreTrainedConfig.get_config_dict(checkpoint, revision=model.revision)
    except OSError as error:
        raise absent("model.checkpoint", str(checkpoint)) from error
    if not raw:  # as of a directory without one
        raise absent("model.checkpoint", str(checkpoint))
    _refuse_auto_map(str(checkpoint), "config.json", raw)
    known = [family.model_type for family in FAMILIES.values()]
    if raw.get("model_type") not in known:
        raise UnknownFamily(f"model.checkpoint: {checkpoint!r} is a {raw.get('model_type')}, not one of {', '.join(known)}")
    return CONFIG_MAPPING[raw["model_type"]].from_dict(raw)


def absent(key: str, checkpoint: str) -> ConfigError:
    """Return the error about a checkpoint that is not there."""
    return ConfigError(f"{key}: {checkpoint!r} is neither a directory with a config.json nor a Hub id that can be reached")


def refuse_code(checkpoint: str, revision: str | None, key: str = "model.checkpoint") -> None:
    """Refuse a checkpoint that names code of its own, for which transformers would otherwise ask at the terminal.

    :param key: where the checkpoint stands in the config, for messages.
    :raises ConfigError: if its config or tokenizer names code, or it is a path that is not there.
    """
    from transformers import PreTrainedConfig
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    if not HUB_ID.fullmatch(checkpoint) and not Path(checkpoint).is_dir():
        raise absent(key, checkpoint)
    look_for_hub(checkpoint)
    files: dict[str, dict[str, Any]] = {}
    with suppress(OSError):  # a missing file is refused by what reads it
        files["config.json"], _ = PreTrainedConfig.get_config_dict(checkpoint, revision=revision)
    with suppress(OSError):
        files["tokenizer_config.json"] = get_tokenizer_config(checkpoint, revision=revision)
    for name, content in files.items():
        _refuse_auto_map(checkpoint, name, content, key)


def _refuse_auto_map(checkpoint: str, name: str, content: dict[str, Any], key: str = "model.checkpoint") -> None:
    if "auto_map" in content:
        raise ConfigError(
            f"{key}: {name} of {checkpoint} names code of its own (auto_map), which is never run; if "
            "transformers has this model, delete auto_map from a copy and give the copy, otherwise choose another one"
        )


def load(model: ModelConfig, scale: ScaleConfig) -> PreTrainedModel:
    """Load the checkpoint's model in float32, without dropout.

    :raises ConfigError: if its weights cannot be loaded.
    """
    options = {"attn_implementation": model.attention, "attention_dropout": 0.0, "dtype": "float32"}
    return load_model("model.checkpoint", str(checkpoint_of(model, scale)), model.revision, **options)


def load_model(key: str, checkpoint: str, revision: str | None, **options: Any) -> PreTrainedModel:
    """Load a model for causal language modelling.

    :param key: where the checkpoint stands in the config, for messages.
    :raises ConfigError: if it cannot be loaded, or its pickled weights hold anything but tensors.
    """
    from transformers import AutoModelForCausalLM

    return load_with(AutoModelForCausalLM, key, checkpoint, revision, **options)


def load_with(auto_class: Any, key: str, checkpoint: str, revision: str | None, **options: Any) -> Any:
    """Load a checkpoint with a class of transformers whose ``from_pretrained`` chooses the model's own class.

    :param auto_class: such as ``AutoModelForCausalLM``.
    :param key: where the checkpoint stands in the config, for messages.
    :returns: what ``from_pretrained`` gives for ``options``.
    :raises ConfigError: if it cannot be loaded, or its pickled weights hold anything but tensors.
    """
    from safetensors import SafetensorError

    refuse_code(checkpoint, revision, key)
    try:
        return auto_class.from_pretrained(
            checkpoint, revision=revision or "main", trust_remote_code=False, weights_only=True, **options
        )
    except UnpicklingError as error:  # its text advises to run the code
        raise ConfigError(
            f"{key}: pytorch_model.bin of {checkpoint} is damaged or holds more than tensors, which could be code and is never "
            "run; give a checkpoint in safetensors"
        ) from error
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{key}: {checkpoint} cannot be loaded: {reason}") from error
