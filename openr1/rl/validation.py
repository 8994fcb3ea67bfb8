"""Validation of the options of reinforcement learning. Nothing heavy is imported, since every plan of runs validates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openr1.rewards.by_task import check_tasks
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.config.schema import Config

BUDGET_KEYS = ("steps", "completions", "flops")
CISPO_HIGH = 1.0  # TRL bounds the ratio of CISPO by epsilon_high itself, not by 1 + epsilon_high


def check_policy(config: Config) -> None:
    """Refuse impossible options of ``stage=grpo``.

    :raises ConfigError: for the first key that is wrong.
    """
    stage = config.stage
    if getattr(config.engine, "speculative", None):
        raise ConfigError("engine.speculative: stage=grpo trains no modules that could draft; leave it null")
    _check_loss(stage)
    _check_groups(stage)
    _check_budget(config)
    _check_processes(config)
    if not config.reward.terms:
        raise ConfigError("reward.terms: stage=grpo needs at least one reward")
    _check_by_task(config)
    if stage.sampling.temperature == 0:
        raise ConfigError(
            "stage.sampling.temperature: must be above 0; the policy learns nothing from answers that are all the same"
        )
    if stage.sampling.stop:
        raise ConfigError("stage.sampling.stop: a policy in training must end its answers itself; give none")
    if config.optim.lr is None:
        raise ConfigError("optim.lr: stage=grpo has no rule for it; give a value, or optim=rl")
    _check_sampler(config)
    if stage.measure_kl and not stage.sampling.plain:
        raise ConfigError(
            "stage.measure_kl: is measured over answers that are sampled from the whole policy; give"
            " stage.sampling.temperature=1 stage.sampling.top_p=1 stage.sampling.top_k=null"
        )
    if stage.vllm.server and config.engine.kind != "vllm":
        raise ConfigError("stage.vllm.server: is for engine=vllm")


def _check_by_task(config: Config) -> None:
    reward, sources = config.reward, config.data.sources
    if reward.by_task and config.stage.loss.aggregation != "sum_then_normalize":
        raise ConfigError(
            "stage.loss.aggregation: normalises each term and so loses the weights of reward.by_task; give sum_then_normalize"
        )
    # the tasks of a table are known once it is read
    if all(source.kind == "task" for source in sources.values()):
        check_tasks(reward, {name: [source.task] for name, source in sources.items()})


def _check_loss(stage: Any) -> None:
    loss = stage.loss
    if loss.type == "cispo" and (loss.epsilon_high or 0) < CISPO_HIGH:
        raise ConfigError(
            "stage.loss.epsilon_high: for cispo it bounds the ratio itself; give 1 or more, such as ScaleRL's 5.0"
        )


def _check_sampler(config: Config) -> None:
    stage, sampling = config.stage, config.stage.sampling
    if config.engine.kind == "vllm" and sampling.truncates:
        key, value = ("top_p", "1") if sampling.top_p < 1 else ("top_k", "null")
        raise ConfigError(
            f"stage.sampling.{key}: vLLM does not tell which tokens it keeps, so the policy would be trained on another"
            f" distribution than it is sampled from; give {value}, or engine=transformers"
        )
    if stage.loss.tis_cap is None:
        return
    if stage.loss.type == "vespo":
        raise ConfigError("stage.loss.tis_cap: vespo weighs whole answers by their ratio itself; leave it null")
    if config.engine.kind == "vllm" and stage.vllm.correction is not None:
        raise ConfigError(
            "stage.loss.tis_cap: stage.vllm.correction weighs tokens for the same reason; give stage.vllm.correction=null"
        )


def _check_groups(stage: Any) -> None:
    answers = stage.prompts * stage.samples
    if answers % stage.updates:
        raise ConfigError(f"stage.updates: {stage.updates} does not divide the {answers} answers of a rollout")


def _check_processes(config: Config) -> None:
    """Check the sharing of rollouts and updates among several processes."""
    processes, stage = config.compute.processes, config.stage
    if processes == 1:
        return
    if config.engine.kind == "vllm":
        raise ConfigError(
            f"engine.kind: vllm writes the answers of one process, not of {processes}; give engine=transformers, or "
            "compute.processes=1"
        )
    answers = stage.prompts * stage.samples // stage.updates
    if answers % processes:
        raise ConfigError(
            f"compute.processes: {answers} answers an update cannot be shared evenly by {processes} processes; give other "
            "stage.prompts, stage.samples or stage.updates, or other processes"
        )


def _check_budget(config: Config) -> None:
    stage, budget = config.stage, config.budget
    given = [key for key in ("steps", "completions", "flops", "tokens", "epochs") if getattr(budget, key) is not None]
    if not given or given[0] not in BUDGET_KEYS:
        key = given[0] if given else "tokens_per_param"
        raise ConfigError(f"budget.{key}: stage=grpo needs its length in one of {', '.join(BUDGET_KEYS)}")
    if given == ["flops"] and (config.optim.schedule != "constant" or config.optim.warmup):
        raise ConfigError(
            "budget.flops: the number of steps is not known before the run; set optim.schedule=constant optim.warmup=0"
        )
    micro_batch = config.compute.micro_batch
    answers = stage.prompts * stage.samples // stage.updates
    if micro_batch is not None and micro_batch < answers and answers % micro_batch:
        raise ConfigError(f"compute.micro_batch: {micro_batch} does not divide the {answers} answers of a step")
