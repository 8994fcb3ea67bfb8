"""Validation beyond types: values out of range, and keys that contradict each other.

Each room checks its own options; what crosses rooms is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openr1.data.validation import check_data
from openr1.distributed.deepspeed import is_sharded
from openr1.distributed.launcher import is_distributed
from openr1.distributed.options import check_compute
from openr1.models.checkpoints import checkpoint_of
from openr1.models.options import check_model, check_scale
from openr1.rewards.options import check_reward
from openr1.stages.validation import check_stage
from openr1.system.errors import ConfigError
from openr1.tracking.names import check_folder, check_name
from openr1.training.options import check_budget, check_optim

if TYPE_CHECKING:
    from openr1.config.schema import Config

DEFAULTS = {"kind": "adamw", "parametrization": "standard"}  # of optim


def validate(config: Config) -> None:
    """Refuse an impossible config of one stage, before anything is trained. The steps of a recipe are checked one by one.

    :raises ConfigError: for the first key that is wrong.
    """
    _names(config)
    check_model(config.model, config.scale)
    check_scale(config.scale)
    check_data(config.data)
    _data(config)
    check_budget(config.budget)
    check_optim(config.optim)
    check_compute(config.compute)
    _optimiser(config)
    _processes(config)
    _further_tokens(config)
    check_reward(config.reward)
    if config.recipe is None:
        check_stage(config)


def _names(config: Config) -> None:
    """Check names that become folders or keys of the tracking store."""
    check_folder(config.study, "study", nested=True)
    for key in ("data.name", "scale.name", "tracking.experiment", *(("recipe.name",) if config.recipe else ())):
        group, _, name = key.partition(".")
        check_name(getattr(getattr(config, group), name), key)
    for group in ("sources", "held_out"):
        for name in getattr(config.data, group):
            check_folder(name, f"data.{group}.{name[:20]}")
    named: dict[str, Mapping[str, Any]] = {
        "reward.terms": config.reward.terms or {},
        "recipe.steps": config.recipe.steps if config.recipe else {},
    }
    for group, names in named.items():
        for name in names:
            check_name(name, f"{group}.{name[:20]}")
    if bad := re.search(r"[?%]", config.paths.outputs):
        raise ConfigError(f"paths.outputs: the address of a SQLite store cannot have {bad[0]} in it, as {config.paths.outputs}")


def _data(config: Config) -> None:
    """Check the data against the stage and the model."""
    data, stage = config.data, config.stage
    if not data.sources and not (data.held_out and stage.kind == "evaluate"):
        raise ConfigError("data.sources: at least one source is needed")
    if data.reference is not None and (not stage.trains or stage.rollouts):
        raise ConfigError(f"data.reference: stage={stage.kind} trains on no mix; leave it null")
    batch = config.optim.batch_tokens
    if batch is not None and batch < data.context and stage.trains and not stage.rollouts:
        raise ConfigError(f"optim.batch_tokens: {batch:g} is below one sequence of data.context={data.context} tokens")
    if data.chat and stage.trains and not checkpoint_of(config.model, config.scale):
        raise ConfigError("data.chat: a model from scratch has no chat template; give model.checkpoint")


def _further_tokens(config: Config) -> None:
    """Check multi-token prediction against the stage that trains it."""
    depth, stage, data = config.model.mtp.depth, config.stage, config.data
    if not depth or config.recipe is not None or not stage.trains:
        return
    if stage.rollouts or stage.pairs:
        raise ConfigError(
            f"model.mtp.depth: stage={stage.kind} has no loss of further tokens; give 0, which leaves the modules out"
        )
    if getattr(stage, "lora", None) is not None and stage.lora.rank is not None:
        raise ConfigError("model.mtp.depth: adapters are trained without such modules; give 0, or stage.lora.rank=null")
    if is_sharded(config.compute):
        raise ConfigError(f"compute.strategy: {config.compute.strategy} cannot shard model.mtp; give ddp, or model.mtp.depth=0")
    if config.compute.compile:
        raise ConfigError("compute.compile: modules of model.mtp are not compiled; give false, or model.mtp.depth=0")
    if config.optim.parametrization != "standard":
        raise ConfigError(
            f"optim.parametrization: {config.optim.parametrization} has no rules for modules of model.mtp; give standard, or"
            " model.mtp.depth=0"
        )
    if depth > data.context - 2:
        raise ConfigError(
            f"model.mtp.depth: {depth} leaves no token to predict in data.context={data.context}; at most {data.context - 2}"
        )


def _optimiser(config: Config) -> None:
    """Check the optimiser and the parametrization against the stage and the processes."""
    optim, stage = config.optim, config.stage
    if not stage.trains or (optim.kind == "adamw" and optim.parametrization == "standard"):
        return
    key, value = ("kind", optim.kind) if optim.kind != "adamw" else ("parametrization", optim.parametrization)
    if stage.pairs:
        raise ConfigError(f"optim.{key}: {value} is not defined for stage={stage.kind}; give {DEFAULTS[key]}")
    if getattr(stage, "lora", None) is not None and stage.lora.rank is not None:
        raise ConfigError(f"optim.{key}: {value} is not defined for adapters; give {DEFAULTS[key]}, or stage.lora.rank=null")
    if optim.kind == "muon" and is_sharded(config.compute):
        raise ConfigError(
            f"optim.kind: muon needs whole matrices, which compute.strategy={config.compute.strategy} shards; give ddp"
        )


def _processes(config: Config) -> None:
    """Check a run on several processes."""
    compute, stage = config.compute, config.stage
    if compute.processes == 1 or config.recipe is not None:
        return
    if not stage.trains:
        if is_distributed(config):
            _shared_engine(config)
        return
    if stage.pairs and compute.strategy != "ddp":
        raise ConfigError(f"compute.strategy: stage={stage.kind} trains on several processes by ddp, not by {compute.strategy}")


def _shared_engine(config: Config) -> None:
    """Check the engine of a stage whose problems several processes share."""
    engine, processes = config.engine, config.compute.processes
    if engine.served:
        raise ConfigError(
            f"compute.processes: a server answers the requests of engine={engine.kind}, which one process sends; give 1, and "
            "engine.concurrency for the requests under way at once"
        )
    if getattr(engine, "tensor_parallel", 1) > 1:
        raise ConfigError(
            f"engine.tensor_parallel: each of compute.processes={processes} has one GPU, and a copy of the model; give 1, or "
            f"compute.processes=1 for one copy on {engine.tensor_parallel} GPUs"
        )
