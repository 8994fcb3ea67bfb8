"""Models from scratch, with seeded weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openr1.models.families import FAMILIES, KEYS
from openr1.models.options import ModelConfig
from openr1.models.parametrization import RECORD, Parametrization, TensorRule, rules_of, scale_initial_weights
from openr1.models.shape import Shape
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel


def build(
    model: ModelConfig,
    shape: Shape,
    seed: int,
    *,
    dtype: str = "float32",
    bos_token_id: int | None = None,
    eos_token_id: int | None = None,
    pad_token_id: int | None = None,
    parametrization: Parametrization | None = None,
) -> PreTrainedModel:
    """Build a model without dropout, with weights that its family's own initialiser draws from the seed.

    Their standard deviation is ``model.init_std`` or, if that is null, sqrt(2 / (5 width)) (SmallInit of Nguyen and Salazar,
    arXiv 1910.05895). That is the customary 0.02 at width 1,000, and four times as much at width 64, where 0.02 leaves a model
    on a plateau for hundreds of steps: ``experiment=init_small`` measures it.

    :param parametrization: None for the standard one; in any other, the standard deviation is that of the base size, times the
        factor of each tensor.
    :raises ConfigError: if transformers refuses a value of ``model.options``.
    """
    import torch
    import transformers

    ids = {"bos_token_id": bos_token_id, "eos_token_id": eos_token_id, "pad_token_id": pad_token_id}
    width = parametrization.base.width if parametrization else None
    config = family_config(model, shape, width, **ids)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=model.attention, dtype=dtype)
    if parametrization:
        scale_initial_weights(built, shape, parameter_rules(parametrization, shape, built))
        setattr(built.config, RECORD, parametrization.record())
    return built


def family_config(model: ModelConfig, shape: Shape, width: int | None = None, **arguments_beside: Any) -> PreTrainedConfig:
    """Return the config of transformers that gives a model of the family this shape, without dropout.

    :param width: width from which the standard deviation of the initial weights follows; None for that of the shape.
    :param arguments_beside: further arguments of the config class, such as the ids of special tokens.
    :raises ConfigError: if transformers refuses a value of ``model.options``.
    """
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    family = FAMILIES[shape.family]
    arguments = {key: getattr(shape, name) for name, key in (KEYS | family.keys).items()}
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": model.rope_theta}
    if shape.family == "gemma3":
        # arXiv 2503.19786, section 2: layers with a sliding window keep the base frequency of 10,000
        rope = {"full_attention": rope, "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0}}
        arguments["query_pre_attn_scalar"] = shape.head_size
    arguments["initializer_range"] = model.init_std or (2 / (5 * (width or shape.width))) ** 0.5
    arguments |= {"rope_parameters": rope, "attention_dropout": 0.0, **family.fixed, **model.options}
    try:
        return getattr(transformers, family.config_class)(**arguments | arguments_beside)
    except StrictDataclassError as error:
        raise ConfigError(f"model.options: {' '.join(str(error).split())}") from error


def parameter_rules(parametrization: Parametrization, shape: Shape, built: nn.Module) -> dict[str, TensorRule]:
    """Return the rule of every parameter of a model, from its sizes and those of a model of the base size.

    :raises ConfigError: if the base lacks a parameter that the model has.
    """
    import torch

    with torch.device("meta"):
        base = build(ModelConfig(family=shape.family), parametrization.base, seed=0)
    return rules_of(parametrization, shape, built, base)
