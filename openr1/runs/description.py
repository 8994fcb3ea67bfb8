"""The name and tags of a run in MLflow."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from openr1.config.schema import to_dict
from openr1.data.hashing import digest
from openr1.models.shape import size_of

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.runs.prepare import PreparedRun
    from openr1.training.context import RunEstimate

MAIN_PARAMS = (
    *(
        "model.family",
        "scale.name",
        "data.name",
        "stage.kind",
        "seed",
        "data.context",
        "optim.kind",
        "optim.lr",
        "optim.batch_tokens",
    ),
    *(f"budget.resolved.{name}" for name in ("lr", "steps", "batch_tokens", "tokens", "flops", "answers")),
    *(
        "stage.prompts",
        "stage.samples",
        "stage.loss.type",
        "stage.loss.beta",
        "model.checkpoint",
        "compute.device",
        "recipe.name",
    ),
)
OVERRIDE = re.compile(r"(?:^|,)([+\w./@]+)=")


def run_title(config: Config, estimate: RunEstimate, step: str = "", label: str = "") -> str:
    """Return the name of a run in MLflow, which shows about its first 20 characters: what tells it from others comes first.

    That is the stage unless it pretrains, the step of a recipe, and what distinguishes the run from the others of its study.

    :param step: the name of the step, if the run is a step of a recipe.
    :param label: the overrides that distinguish the run, such as ``scale=30k lr=0.01``.
    """
    stage = "" if config.stage.kind == "pretrain" else config.stage.kind
    if step:
        stage = step if step[:4] == stage[:4] else f"{stage} {step}"  # eval_base says that it evaluates
    size = size_of(estimate.shape, config.model, config.scale) if estimate.shape else ""
    family = estimate.shape.family if estimate.shape else ""
    # reinforcement learning knows only a bound of its FLOPs before it ends
    steps = f"{estimate.budget.steps} steps" if config.stage.rollouts and estimate.budget else ""
    amount = steps or (f"{short_number(estimate.flops)} FLOPs" if estimate.budget and estimate.flops else "")
    data = "" if estimate.budget else config.data.name
    return _title(stage, label, size, amount, data, f"s{config.seed}", family)


def trial_title(config: Config, family: str, label: str = "") -> str:
    """Return the name of the tracked run of a recipe, as :func:`run_title` does."""
    recipe = config.recipe.name if config.recipe else ""
    return _title("", label, recipe, config.scale.name, f"s{config.seed}", family)


def _title(stage: str, label: str, *facts: str) -> str:
    # a study of one run is told from others by no override, and its label is the name of the study
    words = [short_override(word) for word in label.split(" ") if "=" in word]
    amounts = {
        word.rpartition(" ")[2] for word in words if " " in word
    }  # FLOPs of a label, which the run's own differ from by a step
    own = [fact for fact in facts if fact not in words and fact.rpartition(" ")[2] not in amounts]
    return " ".join(filter(None, [stage, *words, *own]))


def short_override(text: str) -> str:
    """Shorten an override to what a name needs: ``scale=30k`` to ``30k``, ``flops=1.8e+12`` to ``1.8e12 FLOPs``."""
    key, _, value = text.partition("=")
    if key in ("scale", "model", "recipe"):
        return value
    if key == "seed":
        return f"s{value}"
    with suppress(ValueError):
        value = short_number(float(value))
    return f"{value} FLOPs" if key == "flops" else f"{key}={value}"


def short_number(value: float) -> str:
    """Write a number with three digits at most: ``1.8e12``, ``0.003``."""
    text = f"{value:.3g}"
    return text.replace("e+", "e").replace("e0", "e").replace("e-0", "e-")


def main_params(trial: str, params: dict[str, Any]) -> list[str]:
    """Return the params that people read, of the flat ones of a run; the others only clutter a table.

    They are those of :data:`MAIN_PARAMS`, and those that the command line of the run gives.

    :param trial: overrides of the run, as Hydra joins them.
    """
    given = {key.lstrip("+") for key in OVERRIDE.findall(trial)} - {"study"}
    own = [key for key in params if any(key == name or key.startswith(f"{name}.") for name in given if "." in name)]
    return [key for key in dict.fromkeys([*own, *MAIN_PARAMS]) if key in params and not key.startswith(("paths.", "tracking."))]


def artifact_tag(run: PreparedRun) -> str:
    """Return the tag that names the directory of the artifact that a run makes."""
    return str(run.store.path(run.kind, run.fingerprint).absolute())


def optimiser_label(config: Config) -> str:
    """Return the optimiser and the parametrization of a run, by which ``openr1-fit by=optimiser`` groups runs."""
    return f"{config.optim.kind} {config.optim.parametrization}"


def run_tags(run: PreparedRun, trial: str) -> dict[str, object]:
    """Return the tags of a run in MLflow."""
    config, shape = run.config, run.estimate.shape
    tags = {
        "role": "stage",
        "stage": run.kind,
        "trial": trial,
        "family": shape.family if shape else None,
        "scale": size_of(shape, config.model, config.scale) if shape else None,
        "data": config.data.name,
        "seed": config.seed,
        "config_hash": digest(to_dict(config))[:16],
        "fingerprint": run.fingerprint,
        "optimiser": optimiser_label(config) if config.stage.trains else None,
        **{f"input.{name}": value for name, value in run.inputs.items()},
        "artifact": artifact_tag(run),
    }
    return {key: value for key, value in tags.items() if value is not None}
