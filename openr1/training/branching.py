"""Runs of several lengths that share their beginning: all of a warm-up-stable run up to where the shorter one decays.

With warm-up, a constant learning rate and then decay (arXiv 2404.06395, section 4; 2405.18392, section 4), what a run does
before its decay does not depend on how long it is. A trunk keeps its state on the way (``stage.keep_states``). A branch
(``stage.trunk``) is the run that it would be without one, to the bit, but goes on from the last of these states that comes
before its decay.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.artifacts import Artifact, Store
from openr1.config.schema import Config
from openr1.distributed.deepspeed import COMPLETE, layout
from openr1.distributed.options import ComputeConfig
from openr1.errors import ConfigError
from openr1.files import write_json
from openr1.options import flatten
from openr1.training.budget import Budget, TokenBudget, phases

if TYPE_CHECKING:
    from openr1.training.context import StageContext

KEPT = "kept"  # in an artifact: the states that a trunk kept, as checkpoint-STEP, and what its steps depend on
BEGINNING = "beginning.json"
# of optim, what says nothing of the steps before the decay but by what follows from it
RESOLVED = ("lr", "lr_rule", "lr_scale", "batch_tokens", "batch_rule", "schedule", "warmup", "warmup_tokens", "decay")


def first_step(config: Config, budget: TokenBudget) -> int:
    """How many steps the trunk of a run has done for it: 0 without one, and all before the decay where it is not made yet.

    :raises ConfigError: where it kept no state that is early enough.
    """
    reference = getattr(config.stage, "trunk", None)
    if reference is None:
        return 0
    last = min(phases(config, budget).stable_until, budget.steps - 1)
    found = Store(config.paths.artifacts).get(reference)
    if found is None:
        return last
    steps = sorted(map(step_of, _kept(found, config.compute)))
    if not steps:
        raise ConfigError(f"stage.trunk: {found.name} kept no state for this compute; its run needs stage.keep_states")
    if steps[0] > last:
        said = f"kept its state after {', '.join(map(str, steps))} steps"
        raise ConfigError(f"stage.trunk: {found.name} {said}; this run decays from step {last} on")
    return max(step for step in steps if step <= last)


def kept_steps(config: Config, budget: Budget, first: int) -> set[int]:
    """The steps after which a run keeps its state.

    :param first: step that it goes on from.
    :raises ConfigError: for one that the run does not come to, or that is of no use to a branch.
    """
    found = set()
    for place, tokens in enumerate(getattr(config.stage, "keep_states", ())):
        step, last = round(tokens / budget.batch_tokens), phases(config, budget).stable_until
        if not first < step <= last:
            begin, end = (f"{steps * budget.batch_tokens:,.0f}" for steps in (first, last))
            where = f"not between the first step here, at {begin}, and the decay, at {end}"
            raise ConfigError(f"stage.keep_states[{place}]: {tokens:,.0f} tokens are {where}")
        found.add(step)
    return found


def check_trunk(config: Config, budget: Budget | None, parts: dict[str, Any], inputs: dict[str, str]) -> None:
    """Refuse a trunk whose steps are not those of this run.

    :param parts: of the config, that decide the result (:func:`openr1.runs.fingerprint.training_parts`).
    :param inputs: fingerprints of the inputs of the run.
    :raises ConfigError: for the first key that differs.
    """
    reference = getattr(config.stage, "trunk", None)
    if reference is None:
        return
    trunk = Store(config.paths.artifacts).get(reference)
    theirs = json.loads((trunk.path / KEPT / BEGINNING).read_text())
    ours = _beginning(config, budget, parts, inputs)
    for key in (*ours, *theirs):
        if ours.get(key) != theirs.get(key):
            here, there = (f"{one:.10g}" if isinstance(one, float) else one for one in (ours.get(key), theirs.get(key)))
            differ = f"{here} here, {there} in the trunk {trunk.name}"
            raise ConfigError(f"{key}: {differ}; a branch has the steps of its trunk")


def write_beginning(folder: Path, config: Config, budget: Budget | None, parts: dict[str, Any], inputs: dict[str, str]) -> None:
    """Write beside the kept states of a run what its steps before the decay depend on."""
    if getattr(config.stage, "keep_states", None):
        (folder / KEPT).mkdir(exist_ok=True)
        write_json(folder / KEPT / BEGINNING, _beginning(config, budget, parts, inputs))


def checkpoint(context: StageContext) -> Path | None:
    """The state that a branch goes on from."""
    first = context.estimate.first_step
    return context.inputs["trunk"].path / KEPT / f"checkpoint-{first}" if first else None


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])


def _kept(trunk: Artifact, compute: ComputeConfig) -> list[Path]:
    return [mark.parent for mark in (trunk.path / KEPT).glob(f"*/{COMPLETE}") if mark.read_text() == layout(compute)]


def _beginning(config: Config, budget: Budget | None, parts: dict[str, Any], inputs: dict[str, str]) -> dict[str, Any]:
    """Return by key what decides the steps of a run before its decay."""
    assert isinstance(budget, TokenBudget)
    parts = parts | {"stage": {"kind": config.stage.kind}, "budget": {}}
    parts["optim"] = {key: value for key, value in parts["optim"].items() if key not in RESOLVED}
    steps = phases(config, budget)
    return flatten({key: value for key, value in parts.items() if value != {}}) | {
        "optim.lr": budget.lr,
        "optim.batch_tokens": budget.batch_tokens,
        "optim.warmup_tokens": steps.warmup * budget.batch_tokens,
        "data": inputs["data"],
        "model.checkpoint": inputs.get("model"),
    }
