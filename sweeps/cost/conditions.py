"""What the speed of a stage depends on, beside the size of its model, and how unlike two such conditions are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from openr1.config.schema import Config, to_dict
from openr1.models.shape import Shape, count
from openr1.options import flatten
from openr1.training.context import RunEstimate

STEPPED = ("pretrain", "sft")  # stages whose time is that of their training steps
SAME = 0.5  # conditions that are nearer than this count as the same
# keys of a config without whose values nothing can be said of another run
DECISIVE = ("stage.kind", "compute.device", "compute.precision", "compute.processes", "compute.strategy")
NAMES = ("family", "data", "options")  # each that differs counts this much
WEIGHTS = {"family": 2.0, "data": 1.0, "options": 2.0, "threads": 3.0, "at_once": 2.0, "context": 1.0, "batch": 1.0}
OPTIONS = ("compute.gradient_checkpointing", "compute.compile", "compute.micro_batch", "model.attention", "stage.lora.rank")


@dataclass(frozen=True)
class Conditions:
    """
    :ivar decisive: what two runs must share for one to say something of the other; the hardware is among it.
    :ivar family: of the model; None where there is none at work.
    :ivar data: its name, where the length of texts depends on it; None for packed text.
    :ivar options: of the step of training.
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

    def unlike(self, other: Conditions) -> float:
        """0 for the same; names count by their weights, numbers by those for each doubling. Infinite: nothing can be said."""
        if self.decisive != other.decisive:
            return math.inf
        names = sum(WEIGHTS[name] for name in NAMES if getattr(self, name) != getattr(other, name))
        numbers = [name for name in WEIGHTS if name not in NAMES]
        return names + sum(WEIGHTS[name] * _doublings(getattr(self, name), getattr(other, name)) for name in numbers)


def _doublings(one: float, other: float) -> float:
    return 0.0 if one == other else abs(math.log2(max(one, 1.0) / max(other, 1.0)))


def of_stage(config: Config, estimate: RunEstimate, hardware: str, at_once: int) -> Conditions:
    """Of a stage that may be made, with so many runs side by side."""
    return of_params(flatten({**to_dict(config), "budget.resolved": estimate.summary()}), hardware, at_once)


def of_params(params: Mapping[str, Any], hardware: str, at_once: float) -> Conditions:
    """Of a run by its flat config and ``budget.resolved``, as plain values or as the text that MLflow makes of them."""
    text = {key: str(value) for key, value in params.items()}
    kind = text["stage.kind"]
    asks = kind not in STEPPED
    decisive = (*(text.get(key, "None") for key in DECISIVE), text.get("engine.kind", "None") if asks else "", hardware)
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
    """0 stands for all, of threads."""
    return 0.0 if text == "None" else float(text)


def amount(flops: float | None, units: float | None) -> float | None:
    """What the time of a stage is in proportion to: its FLOPs; of one without a model at work its answers, or all of it."""
    if flops is None:
        return None
    return flops or float(units or 1)


def amount_of(estimate: RunEstimate) -> float | None:
    """:func:`amount` of a stage that may be made; None where nobody knows yet."""
    return amount(estimate.flops_new, estimate.units)


def params_of(params: Mapping[str, str]) -> int | None:
    """Non-embedding parameters of the model of a tracked run; None where it had none."""
    start = "budget.resolved.shape."
    fields = {key.removeprefix(start): yaml.safe_load(value) for key, value in params.items() if key.startswith(start)}
    return count(Shape(**fields)).non_embedding if fields else None


def evaluation_flops(config: Config, estimate: RunEstimate) -> float:
    """FLOPs of the evaluations during training, where the held-out data suffice for ``data.eval_tokens``; a branch makes those
    after its trunk."""
    from openr1.models.flops import forward_flops

    stage, budget = config.stage, estimate.budget
    extra = 0 if stage.eval_every_tokens is None else int(budget.tokens / stage.eval_every_tokens)
    each = config.data.eval_tokens * forward_flops(budget.shape, config.data.context)
    own = 1 - estimate.first_step / budget.steps
    return math.ceil((min(budget.steps, stage.eval_points) + extra) * own) * each
