"""Options of ``model=`` and ``scale=``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le
from omegaconf import MISSING

from openr1.models.families import FAMILIES
from openr1.options.ranges import OneOf, Parameters, Positive, Share
from openr1.system.errors import ConfigError

ATTENTION = ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention")


@dataclass
class MtpOptions:
    """Multi-token prediction (DeepSeek-V3, arXiv 2412.19437, section 2.2): modules that predict further tokens in training."""

    depth: Annotated[int, Ge(0), Le(8)] = 0  # modules, the k-th of which predicts the token k + 1 ahead; 0 for none
    weight: Annotated[float, Ge(0), Le(1e3)] = 0.3  # of their mean loss, beside the loss of the next token
    weight_late: Annotated[float, Ge(0), Le(1e3)] = 0.1  # the weight from `late_from` on
    late_from: Share = 0.676  # share of the steps; DeepSeek-V3 lowers the weight after 10 of 14.8 trillion tokens


@dataclass
class ModelConfig:
    """Options of ``model=``: a family, from scratch at the size of ``scale=`` or from a checkpoint."""

    family: Annotated[str, OneOf(FAMILIES)] = MISSING  # a name in openr1.models.families.FAMILIES
    checkpoint: str | None = None  # directory or Hub id whose weights and tokenizer the run starts from
    revision: str | None = None  # branch, tag or commit of a Hub checkpoint
    pretrained: bool = False  # start from checkpoints[scale.name]
    checkpoints: dict[str, str] = field(default_factory=dict)  # name of a size -> Hub id of the family's own model of that size
    tie_embeddings: bool = True
    rope_theta: Positive = 10_000.0
    # standard deviation of the weights of a model from scratch; null for sqrt(2 / (5 width)), see openr1.models.build
    init_std: Annotated[float, Gt(0), Le(100)] | None = None
    attention: Annotated[str, OneOf(ATTENTION)] = "sdpa"  # the attention implementation of transformers
    mtp: MtpOptions = field(default_factory=MtpOptions)
    options: dict[str, Any] = field(default_factory=dict)  # further arguments of the family's transformers config class


@dataclass
class ScaleConfig:
    """Options of ``scale=``: one size of the ladder. The feed-forward size follows from ``params`` and the family."""

    name: str = MISSING
    params: Parameters = MISSING  # target of (active) non-embedding parameters
    width: Annotated[int, Ge(1), Le(10**6)] = MISSING  # size of the residual stream; a multiple of heads
    depth: Annotated[int, Ge(1), Le(10_000)] = MISSING  # layers
    heads: Annotated[int, Ge(1), Le(2**16)] = MISSING
    kv_heads: Annotated[int, Ge(1), Le(2**16)] = MISSING  # a divisor of heads


def check_model(model: ModelConfig, scale: ScaleConfig) -> None:
    """Refuse wrong options of ``model=``.

    :raises ConfigError: for the first key that is wrong.
    """
    if model.pretrained and not model.checkpoint and scale.name not in model.checkpoints:
        known = ", ".join(model.checkpoints) or "no size"
        raise ConfigError(f"model.pretrained: {model.family} has no checkpoint for scale={scale.name}; it has some for {known}")


def check_scale(scale: ScaleConfig, key: str = "scale") -> None:
    """Refuse wrong options of ``scale=``.

    :param key: where the options stand in the config.
    :raises ConfigError: for the first key that is wrong.
    """
    if scale.width % scale.heads:
        raise ConfigError(f"{key}.width: {scale.width} is not a multiple of {key}.heads={scale.heads}")
    if scale.width // scale.heads % 2:
        raise ConfigError(f"{key}.heads: heads of {scale.width // scale.heads} are odd; rotary embeddings need an even size")
    if scale.heads % scale.kv_heads:
        raise ConfigError(f"{key}.kv_heads: {scale.kv_heads} does not divide {key}.heads={scale.heads}")
