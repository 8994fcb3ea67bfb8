"""The name and tags of a run in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openr1.config.schema import to_dict
from openr1.data.hashing import digest
from openr1.models.shape import size_of

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.runs.prepare import PreparedRun
    from openr1.training.context import RunEstimate


def run_title(config: Config, estimate: RunEstimate) -> str:
    """Return the name of a run in MLflow."""
    model = []
    if estimate.shape:
        model = [estimate.shape.family, size_of(estimate.shape, config.model, config.scale)]
    if estimate.budget:
        return "-".join([*model, f"{estimate.flops:.2g}FLOPs", f"s{config.seed}"])
    return "-".join([config.stage.kind, *model, config.data.name, f"s{config.seed}"])


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
