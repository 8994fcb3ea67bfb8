"""What no type shows to be impossible: values out of range, and keys that contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from openr1.distributed.deepspeed import STRATEGIES as ZERO
from openr1.engines.options import check_sampling
from openr1.errors import ConfigError
from openr1.models.build import FAMILIES, checkpoint_of
from openr1.rewards.options import check as check_reward
from openr1.stages import checks
from openr1.tracking.names import check_folder, check_name
from openr1.training.hyperparameters import BATCH_RULES, LR_RULES, SCHEDULES

if TYPE_CHECKING:
    from openr1.config.schema import BudgetConfig, ComputeConfig, Config, OptimConfig, ScaleConfig, StageConfig

BUDGETS = ("tokens", "flops", "steps", "completions", "epochs")
ATTENTION = ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention")


def check(config: Config) -> None:
    """Refuse an impossible config, before anything is trained.

    :raises ConfigError: for the first key that is wrong.
    """
    if config.seed < 0:
        raise ConfigError("seed: must not be negative")
    _names(config)
    _model(config)
    _scale(config.scale)
    _data(config)
    _budget(config.budget)
    _optim(config.optim)
    _compute(config.compute)
    _stage(config.stage)
    _processes(config)
    check_reward(config.reward)
    if config.recipe is None:
        checks.check(config)
    else:
        from openr1.config import recipe

        recipe.check(config)


def _names(config: Config) -> None:
    """Checks names that folders and the tracking store have to take."""
    check_folder(config.study, "study", nested=True)
    for key in ("data.name", "scale.name", "tracking.experiment", *(("recipe.name",) if config.recipe else ())):
        group, _, name = key.partition(".")
        check_name(getattr(getattr(config, group), name), key)
    for group in ("sources", "held_out"):
        for name in getattr(config.data, group):
            check_folder(name, f"data.{group}.{name[:20]}")
    named = {"reward.terms": config.reward.terms or {}, "recipe.steps": config.recipe.steps if config.recipe else {}}
    for group, names in named.items():
        for name in names:
            check_name(name, f"{group}.{name[:20]}")
    if bad := re.search(r"[?%]", config.paths.outputs):
        raise ConfigError(f"paths.outputs: the address of a SQLite store cannot have {bad[0]} in it, as {config.paths.outputs}")


def _model(config: Config) -> None:
    model, rung = config.model, config.scale.name
    _one_of(model.family, "model.family", FAMILIES)
    _one_of(model.attention, "model.attention", ATTENTION)
    _positive(model, "model", "rope_theta", "init_std")
    if model.pretrained and not model.checkpoint and rung not in model.checkpoints:
        known = ", ".join(model.checkpoints) or "no rung"
        raise ConfigError(f"model.pretrained: {model.family} has checkpoints for {known}, not for scale={rung}")


def _scale(scale: ScaleConfig) -> None:
    _positive(scale, "scale", "params", "width", "depth", "heads", "kv_heads")
    if scale.width % scale.heads:
        raise ConfigError(f"scale.width: {scale.width} is not a multiple of scale.heads={scale.heads}")
    if scale.width // scale.heads % 2:
        raise ConfigError(f"scale.heads: a head of {scale.width // scale.heads} is odd; rotary embeddings need an even size")
    if scale.heads % scale.kv_heads:
        raise ConfigError(f"scale.kv_heads: {scale.kv_heads} does not divide scale.heads={scale.heads}")


def _data(config: Config) -> None:
    data = config.data
    _positive(data, "data", "unique_tokens")
    if data.context < 2:
        raise ConfigError("data.context: must be at least 2")
    if not 0 < data.eval_fraction < 1:
        raise ConfigError("data.eval_fraction: must be between 0 and 1")
    if data.eval_tokens < data.context:
        raise ConfigError(f"data.eval_tokens: {data.eval_tokens} is below one sequence of data.context={data.context} tokens")
    if not data.sources and not (data.held_out and config.stage.kind == "evaluate"):
        raise ConfigError("data.sources: at least one source is needed")
    _reference(config)
    if "{prompt}" not in data.instruction:
        raise ConfigError(f"data.instruction: {data.instruction!r} has no {{prompt}} where the prompt stands")
    if data.system is not None and not data.chat:
        raise ConfigError("data.system: only a chat has a system's turn; set data.chat")
    if data.chat and config.stage.trains and not checkpoint_of(config.model, config.scale):
        raise ConfigError("data.chat: a model from scratch has no chat template; give model.checkpoint")
    for group in ("sources", "held_out"):
        for name, source in getattr(data, group).items():
            key = f"data.{group}.{name}"
            unused = group == "sources" and source.weight == 0 and data.reference is not None
            _positive(source, key, *(() if unused else ("weight",)), "problems", "max_rows")
            _share(source, key, "reasoned")
            if name in ("tokenizer", "held_out"):
                raise ConfigError(f"{key}: a source has another name than {name}")


def _reference(config: Config) -> None:
    """The mix that the tokenizer is learned from, and that is held out."""
    data = config.data
    if data.reference is None:
        return
    if not config.stage.trains or config.stage.rollouts:
        raise ConfigError(f"data.reference: stage={config.stage.kind} trains on no mix; leave it null")
    if not isinstance(data.reference, dict) or not data.reference or not set(data.reference) <= set(data.sources):
        raise ConfigError(f"data.reference: gives a weight to some of data.sources, which are {', '.join(data.sources)}")
    for name, weight in data.reference.items():
        if not isinstance(weight, float | int) or weight <= 0:
            raise ConfigError(f"data.reference.{name}: is a weight above 0, not {weight!r}")
    if not any(source.weight > 0 for source in data.sources.values()):
        raise ConfigError("data.sources: at least one has a weight above 0")


def _stage(stage: StageConfig) -> None:
    counts = (
        "eval_points",
        "log_points",
        "log_every",
        "eval_every_tokens",
        "samples",
        "problems",
        "shard",
        "prompts",
        "updates",
        "passes",
    )
    _positive(stage, "stage", *counts)
    _share(stage, "stage", "max_failed")
    lora = getattr(stage, "lora", None)
    if lora is not None:
        _positive(lora, "stage.lora", "rank", "alpha")
        _share(lora, "stage.lora", "dropout")
    sampling = getattr(stage, "sampling", None)
    if sampling is not None:
        check_sampling(sampling, "stage.sampling")
        if sampling.n != 1:
            raise ConfigError("stage.sampling.n: stage.samples says how many answers a problem has")


def _budget(budget: BudgetConfig) -> None:
    given = [key for key in BUDGETS if getattr(budget, key) is not None]
    if len(given) > 1:
        raise ConfigError(f"budget: {' and '.join(given)} are given; give one")
    key = given[0] if given else "tokens_per_param"
    if not getattr(budget, key) or getattr(budget, key) <= 0:
        raise ConfigError(f"budget.{key}: must be above 0; or give one of {', '.join(BUDGETS)}")


def _optim(optim: OptimConfig) -> None:
    _one_of(optim.schedule, "optim.schedule", SCHEDULES)
    _one_of(optim.lr_rule, "optim.lr_rule", LR_RULES)
    _one_of(optim.batch_rule, "optim.batch_rule", BATCH_RULES)
    _positive(optim, "optim", "lr", "batch_tokens", "warmup_tokens", "lr_scale", "eps")
    _share(optim, "optim", "warmup", "decay", "min_lr_ratio", "beta1", "beta2")
    if optim.schedule == "wsd" and optim.warmup_tokens is None and optim.warmup + optim.decay > 1:
        raise ConfigError(f"optim.decay: warmup={optim.warmup} and decay={optim.decay} are more than the whole run")


def _compute(compute: ComputeConfig) -> None:
    _one_of(compute.device, "compute.device", ("cpu", "cuda"))
    _one_of(compute.precision, "compute.precision", ("float32", "bfloat16"))
    _one_of(compute.strategy, "compute.strategy", ("none", "ddp", *ZERO))
    counts = ("threads", "processes", "micro_batch", "checkpoint_minutes", "checkpoint_steps", "peak_flops", "price_per_hour")
    _positive(compute, "compute", *counts)
    if compute.processes > 1 and compute.strategy == "none":
        raise ConfigError(f"compute.strategy: {compute.processes} processes need one of ddp, {', '.join(ZERO)}")
    if not 0 <= compute.port < 2**16:
        raise ConfigError(f"compute.port: {compute.port} is not a port; 0 is a free one")


def _processes(config: Config) -> None:
    """What a stage on several processes cannot do."""
    compute, stage = config.compute, config.stage
    if compute.processes == 1 or config.recipe is not None or not stage.trains:
        return
    if not stage.multiprocess:
        raise ConfigError(f"compute.processes: stage={stage.kind} trains on one process, not {compute.processes}")


def _positive(node: object, prefix: str, *keys: str) -> None:
    """Those of the keys that the node has, and that are not null."""
    for key in keys:
        value = getattr(node, key, None)
        if value is not None and value <= 0:
            raise ConfigError(f"{prefix}.{key}: must be above 0, not {value:g}")


def _share(node: object, prefix: str, *keys: str) -> None:
    for key in keys:
        if not 0 <= getattr(node, key, 0) <= 1:
            raise ConfigError(f"{prefix}.{key}: is a share, between 0 and 1")


def _one_of(value: str, key: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{key}: {value!r} is not one of {', '.join(allowed)}")
