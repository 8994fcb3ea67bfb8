"""Plans of runs: the steps of a run in order, each prepared as far as its inputs exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from openr1.config.recipe import RecipeStep, recipe_steps
from openr1.models.shape import Shape
from openr1.runs.fingerprint import identify
from openr1.runs.prepare import PreparedRun, prepare

if TYPE_CHECKING:
    from openr1.config.schema import Config


def run_steps(config: Config) -> Iterator[RecipeStep]:
    """Yield the steps of a run in order: those of its recipe, or its one stage under the name ""."""
    if config.recipe is None:
        yield RecipeStep("", config, *identify(config))
    else:
        yield from recipe_steps(config, identify)


def plan(config: Config) -> list[PreparedRun]:
    """Prepare the steps of a run. The data of those whose inputs exist are tokenised.

    :raises ConfigError: for the first step that is impossible.
    """
    shapes: dict[str, Shape | None] = {}
    prepared = []
    for step in run_steps(config):
        run = prepare(step.config, step.name, (step.fingerprint, step.inputs), shapes)
        if run.config.stage.trains:
            shapes[run.artifact_name] = run.estimate.shape
        prepared.append(run)
    return prepared
