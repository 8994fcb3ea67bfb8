"""Conditions that the speed of a stage depends on, beside the size of its model, and a distance between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from openr1.config.schema import Config, to_dict
from openr1.models.shape import Shape, count
from openr1.options import flatten
from openr1.training.budget import TokenBudget
from openr1.training.context import RunEstimate

STEPPED = ("pretrain", "sft", "reward_model")  # stages whose time is that of their training steps
SAME = 0.5  # conditions at a smaller distance count as the same
# keys of a config: runs that differ in one are not comparable
DECISIVE = ("stage.kind", "compute.device", "compute.precision", "compute.processes", "compute.strategy")
NAMES = ("family", "data", "options")
# in the distance: of a name that differs, or of each doubling of a number
WEIGHTS = {"family": 2.0, "data": 1.0, "options": 2.0, "threads": 3.0, "at_once": 2.0, "context": 1.0, "batch": 1.0}
OPTIONS = ("compute.gradient_checkpointing", "compute.compile", "compute.micro_batch", "model.attention", "stage.lora.rank")


@dataclass(frozen=True)
class Conditions:
    """Conditions of one stage run.

    :ivar decisive: values that comparable runs share, the hardware among them.
    :ivar family: of the model; None where no model is at work.
    :ivar data: name of the data, where the length of texts depends on it; None for packed text.
    :ivar options: values of :data:`OPTIONS`, which change the speed of a training step.
    :ivar threads: of a process.
    :ivar at_once: runs side by side on the machine, the mean over the time of the run.
    :ivar context: tokens of a sequence.
    :ivar batch: tokens of a step, or answers of a rollout; 0 where there are no steps.
    """

    decisive: tuple[str, ...]
    family: str | None
    data: str | None
    options: tuple[str, ...]
    threads: float
    at_once: float
    context: float
    batch: float

    def distance(self, other: Conditions) -> float:
        """Return the weighted distance; 0 for the same conditions, infinity for conditions that are not comparable."""
        if self.decisive != other.decisive:
            return math.inf
        names = sum(WEIGHTS[name] for name in NAMES if getattr(self, name) != getattr(other, name))
        numbers = [name for name in WEIGHTS if name not in NAMES]
        return names + sum(WEIGHTS[name] * _doublings(getattr(self, name), getattr(other, name)) for name in numbers)


def _doublings(a: float, b: float) -> float:
    return 0.0 if a == b else abs(math.log2(max(a, 1.0) / max(b, 1.0)))


def stage_conditions(config: Config, estimate: RunEstimate, hardware: str, at_once: int) -> Conditions:
    """Return the conditions of a planned stage with ``at_once`` runs side by side."""
    return run_conditions(flatten({**to_dict(config), "budget.resolved": estimate.summary()}), hardware, at_once)


def run_conditions(params: Mapping[str, Any], hardware: str, at_once: float) -> Conditions:
    """Return the conditions of a run by its params: its flat config and ``budget.resolved``, as values or as MLflow's text."""
    text = {key: str(value) for key, value in params.items()}
    kind = text["stage.kind"]
    generates = kind not in STEPPED
    decisive = (*(text.get(key, "None") for key in DECISIVE), text.get("engine.kind", "None") if generates else "", hardware)
    batch = text.get("budget.resolved.batch_tokens", "0")
    if kind == "grpo":
        batch = str(_number(text["stage.prompts"]) * _number(text["stage.samples"]))
    return Conditions(
        decisive,
        text.get("budget.resolved.shape.family"),
        None if kind == "pretrain" else text.get("data.name"),
        tuple(text.get(key, "None") for key in OPTIONS),
        _number(text.get("compute.threads", "None")),
        max(1.0, at_once),
        _number(text.get("data.context", "0")),
        _number(batch),
    )


def _number(text: str) -> float:
    """Read a number; a missing one is 0, which for threads stands for all."""
    return 0.0 if text == "None" else float(text)


def work_of(flops: float | None, units: float | None) -> float | None:
    """Return the work that the time of a stage is proportional to: its FLOPs, or without a model its answers, or 1."""
    if flops is None:
        return None
    return flops or float(units or 1)


def stage_work(estimate: RunEstimate) -> float | None:
    """Return :func:`work_of` a planned stage; None where it is not known yet."""
    return work_of(estimate.flops_new, estimate.units)


def params_of_run(params: Mapping[str, str]) -> int | None:
    """Return the non-embedding parameters of the model of a tracked run; None where no model was at work."""
    prefix = "budget.resolved.shape."
    fields = {key.removeprefix(prefix): yaml.safe_load(value) for key, value in params.items() if key.startswith(prefix)}
    return count(Shape(**fields)).non_embedding if fields else None


def evaluation_flops(config: Config, estimate: RunEstimate) -> float:
    """Return the FLOPs of the evaluations during training, where the held-out data suffice for ``data.eval_tokens``.

    A branch makes only the evaluations after its trunk.
    """
    from openr1.models.flops import forward_flops

    stage, budget = config.stage, estimate.budget
    if not isinstance(budget, TokenBudget):
        return 0.0
    extra = 0 if stage.eval_every_tokens is None else int(budget.tokens / stage.eval_every_tokens)
    each = config.data.eval_tokens * forward_flops(budget.shape, config.data.context)
    own = 1 - estimate.first_step / budget.steps
    return math.ceil((min(budget.steps, stage.eval_points) + extra) * own) * each
