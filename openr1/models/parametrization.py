"""Parametrizations: initial weights and learning rates that follow the width and depth, so that one rate fits all sizes.

``mup`` is the maximal update parametrization (Tensor Programs V, arXiv 2203.03466, table 8, for Adam), ``completep`` adds the
depth (CompleteP, arXiv 2505.01618, table 1, alpha = 1). Both are relative to a base size, at which they change nothing.

They are published with multipliers in the forward pass. Here each multiplier c is absorbed: the tensor W becomes c W, with c
times the initial weights and c times the learning rate. AdamW and Muon do not depend on the size of a gradient, so the function
that is learnt is the same, up to the rounding of floats and the norm at which gradients are clipped, and a checkpoint is one of
plain ``transformers``. AdamW's epsilon becomes epsilon / c. What no weight can absorb, the multiplier of the logits of a tied
embedding, is absorbed by the gain of the final norm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from openr1.models.families import FAMILIES
from openr1.models.shape import Shape
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

PARAMETRIZATIONS = ("standard", "mup", "completep")
RECORD = "parametrization"  # attribute of a checkpoint's config.json
LAYER = re.compile(r"\.layers\.\d+\.")
EMBEDDING, HEAD, HIDDEN, ROUTER, VECTOR = "embedding", "head", "hidden", "router", "vector"


@dataclass(frozen=True)
class Parametrization:
    """A parametrization other than ``standard``, relative to the shape of the base size."""

    kind: str
    base: Shape

    def record(self) -> dict[str, Any]:
        """Return what a checkpoint records, by which a later run knows the multipliers that its weights hold."""
        return {"kind": self.kind, "base": asdict(self.base)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Parametrization:
        """Return the parametrization that a checkpoint records."""
        return cls(record["kind"], Shape(**record["base"]))


@dataclass(frozen=True)
class TensorRule:
    """Factors on the initial weights and on AdamW's learning rate and epsilon of one tensor.

    The factor on its weight decay is 1 / ``lr``: learning rate x weight decay is the same for all tensors and sizes, as in
    CompleteP (its table 1), and as transfer needs it (arXiv 2405.13698).

    :ivar role: embedding, head, hidden (matrix), router or vector (gain or bias).
    :ivar muon_lr: factor on the learning rate of updates whose spectral norm is 1 at every size, as those of Muon.
    :ivar base_size: size of the tensor in a model of the base size.
    """

    role: str
    init: float = 1.0
    lr: float = 1.0
    eps: float = 1.0
    muon_lr: float = 1.0
    base_size: tuple[int, ...] | None = None


def role_of(name: str) -> str:
    """Return the role of a parameter by its name in ``transformers``."""
    if "embed_tokens" in name:
        return EMBEDDING
    if name.startswith("lm_head"):
        return HEAD
    if name.endswith("mlp.gate.weight"):
        return ROUTER
    if name.endswith(".bias") or "norm" in name.rpartition(".")[0].rpartition(".")[2]:
        return VECTOR
    return HIDDEN


def tensor_rules(
    parametrization: Parametrization,
    shape: Shape,
    sizes: Mapping[str, tuple[int, ...]],
    base_sizes: Mapping[str, tuple[int, ...]],
) -> dict[str, TensorRule]:
    """Return the rule of every parameter.

    A matrix has its inputs in its last dimension and its outputs in the one before; experts are stacked before these. Ratios
    are those of its own inputs and outputs, since feed-forward sizes and ranks of latent attention may not grow as the width.

    :param sizes, base_sizes: name -> size of each parameter of the model, and of the model of the base size.
    :raises ConfigError: if the base has no such parameter.
    """
    of_base = {_without_layer(name): size for name, size in base_sizes.items()}
    rules = {}
    for name, size in sizes.items():
        base = of_base.get(_without_layer(name))
        if base is None:
            raise ConfigError(f"optim.base: a model of the base size has no {_without_layer(name)}; give a deeper base")
        rules[name] = _rule(parametrization, shape, name, size, base)
    return rules


def _rule(
    parametrization: Parametrization, shape: Shape, name: str, size: tuple[int, ...], base: tuple[int, ...]
) -> TensorRule:
    role, multiplier = role_of(name), absorbed_multiplier(parametrization, shape, name)
    complete, of = parametrization.kind == "completep", parametrization.base
    # CompleteP scales epsilon as the gradients: by 1 / width, and in the blocks by 1 / depth too
    eps = of.width / shape.width if complete else 1.0
    if complete and LAYER.search(name):
        eps *= of.depth / shape.depth
    init = lr = muon_lr = 1.0
    if role == HIDDEN:
        inputs, outputs = size[-1] / base[-1], size[-2] / base[-2]
        init, lr = inputs**-0.5, 1 / inputs
        # the spectral norm of an update grows as sqrt(outputs / inputs) (arXiv 2310.17813, condition 1)
        muon_lr = (outputs / inputs) ** 0.5
    elif role == ROUTER:  # an output of the model, of which there are as many at every width
        multiplier *= base[-1] / size[-1]
    return TensorRule(role, init * multiplier, lr * multiplier, eps / multiplier, muon_lr * multiplier, base)


def absorbed_multiplier(parametrization: Parametrization, shape: Shape, name: str) -> float:
    """Return the multiplier of the forward pass that a tensor absorbs."""
    base, family = parametrization.base, FAMILIES[shape.family]
    width = shape.width / base.width
    depth = shape.depth / base.depth if parametrization.kind == "completep" else 1.0
    module = name.rpartition(".")[0].rpartition(".")[2] if name.endswith((".weight", ".bias")) else name.rpartition(".")[2]
    scaled = shape.family == "gemma3"  # its embeddings are multiplied by sqrt(width)
    if module == "embed_tokens":
        return width**-0.5 if scaled else 1.0
    if (
        name == "model.norm.weight"
    ):  # the multiplier 1 / width of the logits; a tied embedding has 1 / sqrt(width) of it already
        return width**-0.5 if scaled and shape.tie_embeddings else 1 / width
    # queries and keys are multiplied by 1 / sqrt(size) in transformers, and by 1 / size in mup
    if module == ("q_norm" if family.qk_norm else "q_proj" if shape.q_rank is None else "q_b_proj"):
        return (base.qk_size / shape.qk_size) ** 0.5
    ends = ("post_attention_layernorm", "post_feedforward_layernorm") if family.norms == 4 else ("o_proj", "down_proj")
    return 1 / depth if module in ends else 1.0


def rules_of(parametrization: Parametrization, shape: Shape, model: nn.Module, base_model: nn.Module) -> dict[str, TensorRule]:
    """Return the rule of every parameter of a model.

    :param base_model: a model of the base size, on any device.
    """
    sizes, base_sizes = (
        {name: tuple(parameter.shape) for name, parameter in module.named_parameters()} for module in (model, base_model)
    )
    return tensor_rules(parametrization, shape, sizes, base_sizes)


def scale_initial_weights(model: nn.Module, shape: Shape, rules: Mapping[str, TensorRule]) -> None:
    """Multiply the initial weights of a model by the factors of its rules."""
    import torch

    offset = 1.0 if shape.family == "gemma3" else 0.0  # the gain of its norms is 1 + weight
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            factor = rules[name].init
            if factor == 1.0:
                continue
            is_gain = rules[name].role == VECTOR and not name.endswith(".bias")
            if is_gain and offset:
                parameter.add_(offset).mul_(factor).sub_(offset)
            else:
                parameter.mul_(factor)


def _without_layer(name: str) -> str:
    return LAYER.sub(".layers.*.", name)
