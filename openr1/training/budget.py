"""Budgets: parameters N, tokens D, FLOPs C, steps, batch size, learning rate and its schedule, resolved from a config.

One key of ``budget`` is given and the others follow from it, so a run is priced before anything is built. Nothing heavy is
imported, since a sweep resolves hundreds of runs in its parent process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from openr1.data import vocab_size
from openr1.models import flops
from openr1.models.checkpoints import checkpoint_of, checkpoint_shape
from openr1.models.shape import ParamCount, Shape, count, solve_shape
from openr1.system.errors import ConfigError
from openr1.training.hyperparameters import BATCH_RULES, LR_RULES
from openr1.training.parametrization import base_shape, parametrization_of
from openr1.training.schedule import Phases, phases_of, weight_change

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data import Dataset


@dataclass(frozen=True, kw_only=True)
class Budget(ABC):
    """Amounts of a run that trains.

    :ivar params: parameter counts of the model.
    :ivar steps: optimiser steps.
    :ivar batch: sequences, or answers, in one optimiser step over all devices.
    :ivar lr: peak learning rate.
    """

    shape: Shape
    params: ParamCount
    steps: int
    batch: int
    lr: float

    @property
    @abstractmethod
    def tokens(self) -> float:
        """Return the most tokens that the run reads, or generates and reads."""

    @property
    @abstractmethod
    def flops(self) -> float:
        """Return the most FLOPs that the run spends."""

    @property
    def max_steps(self) -> int:
        """Return the number of steps that the run never exceeds."""
        return self.steps

    @abstractmethod
    def summary(self) -> dict[str, float]:
        """Return the resolved amounts by the names that runs are tracked under."""


@dataclass(frozen=True, kw_only=True)
class TokenBudget(Budget):
    """Amounts of a run that trains on given tokens.

    ``tokens`` is a whole number of steps, so it may differ from the given budget by less than one step. ``flops`` counts
    training only, with attention and the head (:mod:`openr1.models.flops`); ``flops_6nd`` is the usual approximation 6 N D with
    non-embedding parameters.
    """

    flops_per_token: float
    tokens_per_sequence: float

    @property
    def batch_tokens(self) -> float:
        """Return the tokens of one optimiser step."""
        return self.batch * self.tokens_per_sequence

    @property
    def sequences(self) -> int:
        """Return the number of sequences of the whole run."""
        return self.batch * self.steps

    @property
    def tokens(self) -> float:
        return self.sequences * self.tokens_per_sequence

    @property
    def flops(self) -> float:
        return self.tokens * self.flops_per_token

    @property
    def flops_6nd(self) -> float:
        return flops.six_nd(self.params.non_embedding, self.tokens)

    def summary(self) -> dict[str, float]:
        """Return the resolved amounts by the names that runs are tracked under."""
        return {
            "lr": self.lr,
            "steps": self.steps,
            "batch_tokens": self.batch_tokens,
            "tokens": self.tokens,
            "flops": self.flops,
            "flops_per_token": self.flops_per_token,
            **{f"shape.{key}": value for key, value in asdict(self.shape).items() if value is not None},
        }


def phases(config: Config, budget: Budget) -> Phases:
    """Return the schedule of ``optim``."""
    return phases_of(config.optim, budget.steps, budget.batch_tokens if isinstance(budget, TokenBudget) else None)


def shared_until(config: Config, budget: Budget) -> int:
    """Return the step up to which a longer run is the same: before the decay and the change of ``model.mtp.weight``."""
    return min(phases(config, budget).stable_until, weight_change(config.model.mtp, budget.steps))


def initial_shape(config: Config) -> Shape:
    """Return the shape of the model that a run starts from: that of its checkpoint, or of its scale.

    :raises ConfigError: if there is no such model.
    """
    if checkpoint_of(config.model, config.scale):
        shape = checkpoint_shape(config.model, config.scale, config.data.context)
    else:
        size = vocab_size(config.data, config.model, config.scale)
        shape = solve_shape(config.model, config.scale, size, config.data.context)
    return _with_head(config, shape)


def _with_head(config: Config, shape: Shape) -> Shape:
    """Return the shape with the head that the stage trains."""
    return shape if shape.labels == config.stage.labels else replace(shape, labels=config.stage.labels)


def resolve(config: Config, dataset: Dataset | None = None, shape: Shape | None = None) -> TokenBudget:
    """Resolve the budget of a run.

    :param dataset: needed if the length of a sequence or the number of unique tokens depends on the data: for ``stage=sft``,
        ``stage=reward_model`` and ``budget.epochs``.
    :param shape: shape of the model, if the run starts from one that does not exist yet.
    :raises ConfigError: if the budget is below one step, or needs a data set that is not prepared.
    """
    context, given = config.data.context, config.budget
    if shape is None:
        shape = initial_shape(config)
        parametrization_of(config, shape)  # refuses a base or a checkpoint that does not fit
    else:
        shape = _with_head(config, shape)
    shape = replace(shape, mtp_depth=config.model.mtp.depth)
    params = count(shape)
    flops_per_token = _flops_per_token(config, shape, dataset.attended if dataset else context)
    length = dataset.tokens_per_sequence if dataset else context

    tokens: float | None
    if given.tokens is not None:
        tokens = given.tokens
    elif given.flops is not None:
        tokens = given.flops / flops_per_token
    elif given.steps is not None:
        tokens = None
    elif given.epochs is not None:
        if dataset is None:
            raise ConfigError("budget.epochs: the tokens of an epoch are known only after the data are prepared")
        tokens = given.epochs * dataset.unique_tokens
    else:
        assert given.tokens_per_param is not None  # openr1.training.options.check_budget
        tokens = given.tokens_per_param * params.non_embedding

    batch_tokens = config.optim.batch_tokens
    if batch_tokens is None:
        rule = BATCH_RULES[config.optim.batch_rule]
        if tokens is None and rule.d_exponent:
            raise ConfigError(
                f"budget.steps: the batch size of optim.batch_rule={config.optim.batch_rule} follows from the tokens; "
                "give optim.batch_tokens, or budget.tokens"
            )
        batch_tokens = rule(params.non_embedding, tokens or 1.0)
    batch = _whole_batch(batch_tokens / length, config.compute.micro_batch)
    _check_shares(config, batch, length)
    if tokens is None:
        assert given.steps is not None
        steps = round(given.steps)
    else:
        steps = round(tokens / (batch * length))
    if steps < 1:
        key = next((k for k in ("tokens", "flops", "epochs") if getattr(given, k) is not None), "tokens_per_param")
        raise ConfigError(
            f"budget.{key}: {getattr(given, key):g} is {tokens:.3g} tokens, below one step of {batch * length:g} tokens; "
            "raise it or lower optim.batch_tokens"
        )
    lr = config.optim.lr
    if lr is None:
        standard = config.optim.parametrization == "standard"
        # the learning rate of other parametrizations is the base's
        base = params if standard else count(base_shape(config, shape))
        lr = config.optim.lr_scale * LR_RULES[config.optim.lr_rule](base.non_embedding, steps * batch * length)
    budget = TokenBudget(
        shape=shape,
        params=params,
        steps=steps,
        batch=batch,
        lr=lr,
        flops_per_token=flops_per_token,
        tokens_per_sequence=length,
    )
    _check_warmup(config, budget)
    return budget


def _check_warmup(config: Config, budget: TokenBudget) -> None:
    optim, schedule = config.optim, phases(config, budget)
    decay = schedule.decay if optim.schedule == "wsd" else 0
    if optim.warmup_tokens is not None and schedule.warmup + decay > budget.steps:
        and_decay = f" and optim.decay={optim.decay:g}" if decay else ""
        raise ConfigError(
            f"optim.warmup_tokens: {optim.warmup_tokens:g}{and_decay} are more than the whole run of {budget.tokens:g} tokens"
        )


def model_flops_per_token(config: Config, shape: Shape, context: float) -> float:
    """Return the training FLOPs of one token without those that gradient checkpointing spends once more.

    They are those of model FLOPs utilisation, which does not count recomputation (PaLM, arXiv 2204.02311, section 4.1).
    """
    return _flops_per_token(replace(config, compute=replace(config.compute, gradient_checkpointing=False)), shape, context)


def _flops_per_token(config: Config, shape: Shape, context: float) -> float:
    """Return the training FLOPs of one token of a sequence of ``context`` tokens."""
    lora, recompute = getattr(config.stage, "lora", None), config.compute.gradient_checkpointing
    if lora is None or lora.rank is None:
        return flops.training_flops(shape, context, recompute)
    try:
        return flops.lora_training_flops(shape, context, lora.rank, recompute)
    except ValueError as error:
        raise ConfigError(f"stage.lora: {error}") from error


def _whole_batch(sequences: float, micro_batch: int | None) -> int:
    """Round to at least one sequence, and to a whole number of forward passes."""
    batch = max(1, round(sequences))
    return batch if micro_batch is None or batch <= micro_batch else micro_batch * round(batch / micro_batch)


def _check_shares(config: Config, batch: int, length: float) -> None:
    """Refuse a batch that the processes cannot share evenly.

    It is not rounded, since a step must be the same on any number of processes.

    :raises ConfigError: naming batches that can be shared.
    """
    processes = config.compute.processes
    if config.stage.multiprocess and batch % processes:
        shares = (batch // processes, batch // processes + 1)
        fitting = " or ".join(f"{share * processes * length:g}" for share in shares if share)
        raise ConfigError(
            f"compute.processes: {batch} sequences a step cannot be shared evenly by {processes} processes; "
            f"give optim.batch_tokens={fitting}, or other processes"
        )


def split_batch(batch: int, processes: int, micro_batch: int | None) -> tuple[int, int]:
    """Split the share that each process has of a batch into forward passes of one size.

    :param micro_batch: most sequences of one forward pass; None for no limit.
    :returns: the sequences of one forward pass, and the number of passes.
    """
    share = batch // processes
    size = next(size for size in range(min(micro_batch or share, share), 0, -1) if share % size == 0)
    return size, share // size
