"""Trunks and branches: runs of several lengths that share the steps before the decay of the shorter one.

With warm-up, a constant learning rate and then decay (arXiv 2404.06395, section 4; 2405.18392, section 4), the steps of a run
before its decay do not depend on its length. A trunk keeps its state at some steps (``stage.keep_states``). A branch
(``stage.trunk``) continues from the last of these states before its own decay, and ends with the same bits as a run without a
trunk.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openr1.distributed.deepspeed import COMPLETE_FILE, checkpoint_layout
from openr1.distributed.options import ComputeConfig
from openr1.options import flatten
from openr1.system.artifacts import Store
from openr1.system.errors import ConfigError
from openr1.system.files import write_json
from openr1.system.records import DamagedFile, check_format, read_record, write_record
from openr1.training.budget import Budget, TokenBudget, phases, shared_until

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.training.context import StageContext

KEPT = "kept"  # folder of an artifact: the states that a trunk kept, as checkpoint-STEP, and BEGINNING
BEGINNING = "beginning.json"  # values that decide the steps before the decay
LAYOUT = re.compile(r"(zero[23] of \d+)?")  # as openr1.distributed.deepspeed.checkpoint_layout returns it
# keys of optim that affect the steps before the decay only through the resolved values beside them
CHANGES = ("weight_late", "late_from")  # keys of model.mtp that affect the steps from `late_from` on only
RESOLVED = ("lr", "lr_rule", "lr_scale", "batch_tokens", "batch_rule", "schedule", "warmup", "warmup_tokens", "decay")


def first_step(config: Config, budget: TokenBudget) -> int:
    """Return the number of steps that a run takes over from its trunk; 0 without a trunk.

    A trunk that does not exist yet counts as if it kept its state right before the decay.

    :raises ConfigError: if the trunk kept no state that is early enough.
    """
    reference = getattr(config.stage, "trunk", None)
    if reference is None:
        return 0
    last = min(shared_until(config, budget), budget.steps - 1)
    trunk = Store(config.paths.artifacts).get(reference)
    if trunk is None:
        return last
    steps = sorted(map(step_of, complete_checkpoints(trunk.path / KEPT, config.compute)))
    if not steps:
        raise ConfigError(f"stage.trunk: {trunk.name} kept no state for this compute; its run needs stage.keep_states")
    if steps[0] > last:
        kept = f"kept its state after {', '.join(map(str, steps))} steps"
        raise ConfigError(f"stage.trunk: {trunk.name} {kept}; this run {_change(config, budget)[0]} from step {last} on")
    return max(step for step in steps if step <= last)


def kept_steps(config: Config, budget: Budget, first: int) -> set[int]:
    """Return the steps after which a run keeps its state.

    :param first: steps taken over from a trunk.
    :raises ConfigError: for a step that the run does not reach, or that is of no use to a branch.
    """
    kept = set()
    for place, tokens in enumerate(getattr(config.stage, "keep_states", ())):
        assert isinstance(budget, TokenBudget)
        step, last = round(tokens / budget.batch_tokens), shared_until(config, budget)
        if not first < step <= last:
            _, change = _change(config, budget)
            begin, end = (f"{steps * budget.batch_tokens:,.0f}" for steps in (first, last))
            where = f"not between the first step of this run, at {begin}, and {change}, at {end}"
            raise ConfigError(f"stage.keep_states[{place}]: {tokens:,.0f} tokens are {where}")
        kept.add(step)
    return kept


def _change(config: Config, budget: TokenBudget) -> tuple[str, str]:
    """Return what makes a run differ from a longer one, as a verb and as a noun."""
    if shared_until(config, budget) == phases(config, budget).stable_until:
        return "decays", "its decay"
    return "has model.mtp.weight_late", "the change of its model.mtp.weight"


def check_trunk(config: Config, budget: Budget | None, parts: dict[str, Any], inputs: dict[str, str]) -> None:
    """Refuse a trunk whose steps are not those of this run.

    :param parts: parts of the config that decide the result (:func:`openr1.runs.fingerprint.training_parts`).
    :param inputs: fingerprints of the inputs of the run.
    :raises ConfigError: for the first key that differs.
    """
    reference = getattr(config.stage, "trunk", None)
    if reference is None:
        return
    trunk = Store(config.paths.artifacts).get(reference)
    assert trunk is not None  # it is an input of the run, so it exists
    of_trunk = json.loads((trunk.path / KEPT / BEGINNING).read_text())
    of_run = _beginning(config, budget, parts, inputs)
    for key in (*of_run, *of_trunk):
        values = of_run.get(key), of_trunk.get(key)
        if values[0] != values[1]:
            here, there = (f"{value:.10g}" if isinstance(value, float) else value for value in values)
            raise ConfigError(f"{key}: {here} here, {there} in the trunk {trunk.name}; a branch has the steps of its trunk")


def write_beginning(folder: Path, config: Config, budget: Budget | None, parts: dict[str, Any], inputs: dict[str, str]) -> None:
    """Write the values that decide a run's steps before its decay beside the states that it keeps."""
    if getattr(config.stage, "keep_states", None):
        (folder / KEPT).mkdir(exist_ok=True)
        write_json(folder / KEPT / BEGINNING, _beginning(config, budget, parts, inputs))


def trunk_checkpoint(context: StageContext) -> Path | None:
    """Return the state of the trunk from which a branch continues; None for a run without a trunk."""
    first = context.estimate.first_step
    return context.inputs["trunk"].path / KEPT / f"checkpoint-{first}" if first else None


def step_of(checkpoint: Path) -> int:
    """Return the step after which a checkpoint was written."""
    return int(checkpoint.name.rsplit("-", 1)[1])


def complete_checkpoints(folder: Path, compute: ComputeConfig) -> list[Path]:
    """Return the checkpoints in a folder that were written to their end and that a run on this compute can resume from."""
    return [path.parent for path in folder.glob(f"*/{COMPLETE_FILE}") if _layout(path) in (None, checkpoint_layout(compute))]


def complete_checkpoint(folder: Path, compute: ComputeConfig) -> None:
    """Record that a checkpoint is written to its end."""
    write_record(folder / COMPLETE_FILE, {"layout": checkpoint_layout(compute)})


def damage_of(checkpoint: Path) -> DamagedFile | None:
    """Return the first file of a complete checkpoint that is not as it was written."""
    complete = checkpoint / COMPLETE_FILE
    try:
        if complete.read_bytes()[:1] == b"{":
            read_record(complete, thorough=True)
        elif _layout(complete) is None:
            return DamagedFile(complete, "is not a record")
        else:
            for path in sorted(checkpoint.iterdir()):
                check_format(path)
    except DamagedFile as damage:
        return damage
    return None


def _layout(complete: Path) -> str | None:
    """Return the layout of a checkpoint, all of whose file is the layout if version 0.2 wrote it; None if it cannot be read."""
    text = complete.read_text(errors="replace")
    try:
        return json.loads(text)["layout"] if text.startswith("{") else text if LAYOUT.fullmatch(text) else None
    except (ValueError, KeyError):
        return None


def _beginning(config: Config, budget: Budget | None, parts: dict[str, Any], inputs: dict[str, str]) -> dict[str, Any]:
    """Return the values that decide the steps of a run before its decay, by key."""
    assert isinstance(budget, TokenBudget)
    parts = parts | {"stage": {"kind": config.stage.kind}, "budget": {}}
    parts["optim"] = {key: value for key, value in parts["optim"].items() if key not in RESOLVED}
    if "mtp" in parts["model"]:
        parts["model"] = parts["model"] | {"mtp": {k: v for k, v in parts["model"]["mtp"].items() if k not in CHANGES}}
    steps = phases(config, budget)
    return flatten({key: value for key, value in parts.items() if value != {}}) | {
        "optim.lr": budget.lr,
        "optim.batch_tokens": budget.batch_tokens,
        "optim.warmup_tokens": steps.warmup * budget.batch_tokens,
        "data": inputs["data"],
        "model.checkpoint": inputs.get("model"),
    }
