"""Optimisers of a run: the learning rate, weight decay and epsilon of every tensor, by its kind and parametrization."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import AdamW, Optimizer

from openr1.models.build import parameter_rules
from openr1.models.parametrization import HIDDEN, Parametrization, TensorRule, role_of
from openr1.models.shape import Shape
from openr1.training.muon import Muon, is_stacked_gates, update_scale

if TYPE_CHECKING:
    from openr1.training.options import OptimConfig

OptimiserClass = tuple[type[Optimizer], dict[str, Any]]


def optimiser_of(
    optim: OptimConfig,
    model: nn.Module,
    shape: Shape,
    lr: float,
    decayed: Collection[str],
    parametrization: Parametrization | None,
) -> OptimiserClass | None:
    """Return the class of an optimiser and its arguments; None for AdamW with one learning rate, which the Trainer makes.

    :param lr: peak learning rate.
    :param decayed: names of the parameters that have weight decay.
    """
    if optim.kind == "adamw" and parametrization is None:
        return None
    rules = parameter_rules(parametrization, shape, model) if parametrization else {}
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rule = rules.get(name, TensorRule(role_of(name)))
        weight_decay = optim.weight_decay if name in decayed else 0.0
        if optim.kind == "muon" and rule.role == HIDDEN:
            group = _muon_group(optim, rule, tuple(parameter.shape), is_stacked_gates(name), lr, weight_decay)
        else:
            group = _adamw_group(optim, rule, lr, weight_decay)
        groups.setdefault(tuple(sorted(group.items())), {**group, "params": []})["params"].append(parameter)
    # the learning rate that is logged is that of the first group
    ordered = sorted(groups.values(), key=lambda group: abs(group["lr_scale"] - 1))
    arguments = {"params": ordered, "lr": lr, "betas": (optim.beta1, optim.beta2), "eps": optim.eps, "fused": True}
    return (Muon if optim.kind == "muon" else AdamW), arguments


def logged_lr_scale(optimiser: OptimiserClass | None) -> float:
    """Return the logged learning rate, which is that of the first group, as a multiple of the run's."""
    return optimiser[1]["params"][0]["lr_scale"] if optimiser else 1.0


def _adamw_group(optim: OptimConfig, rule: TensorRule, lr: float, weight_decay: float) -> dict[str, Any]:
    scale = rule.lr * (optim.muon.adamw_lr_scale if optim.kind == "muon" else 1.0)
    # learning rate x weight decay is the same for all tensors
    return {"lr": lr * scale, "lr_scale": scale, "weight_decay": weight_decay / rule.lr, "eps": optim.eps * rule.eps}


def _muon_group(
    optim: OptimConfig, rule: TensorRule, size: tuple[int, ...], stacked: bool, lr: float, decay: float
) -> dict[str, Any]:
    """Return the group of a matrix.

    The factor of the rule is on updates of spectral norm 1, so that the published scale of this size is replaced by that of the
    base size: in mup an update then grows with its inputs and outputs in one way, whatever scale is chosen.

    :param size: of the parameter.
    :param stacked: each matrix stacks two along its outputs.
    """
    scales = []
    for *_, rows, columns in (size, rule.base_size or size):
        scales.append(update_scale(optim.muon.scale, rows // (2 if stacked else 1), columns))
    scale = rule.muon_lr * scales[1] / scales[0]
    options = {key: value for key, value in asdict(optim.muon).items() if key != "adamw_lr_scale"}
    return {"muon": True, "lr": lr * scale, "lr_scale": scale, "weight_decay": decay / scale, "halves": stacked, **options}
