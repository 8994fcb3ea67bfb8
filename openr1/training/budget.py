"""Budgets: from a config to parameters N, tokens D, FLOPs C, steps, batch size, learning rate and its schedule.

One of the keys of ``budget`` is given and the others follow from it, so that a run is priced before anything is built. Nothing
heavy is imported: a sweep resolves hundreds of runs in its parent process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from openr1.data import vocab_size
from openr1.errors import ConfigError
from openr1.models import flops
from openr1.models.checkpoints import checkpoint_of, checkpoint_shape
from openr1.models.shape import ParamCount, Shape, count, solve_shape
from openr1.training.hyperparameters import BATCH_RULES, LR_RULES

if TYPE_CHECKING:
    from openr1.config.schema import Config
    from openr1.data import Dataset


@dataclass(frozen=True, kw_only=True)
class Budget(ABC):
    """Amounts that every run that trains has.

    :ivar params: parameter counts of the model.
    :ivar steps: of the optimiser.
    :ivar lr: peak learning rate.
    """

    shape: Shape
    params: ParamCount
    steps: int
    lr: float

    @property
    @abstractmethod
    def tokens(self) -> float:
        """Tokens that the run reads, or writes and reads, at most."""

    @property
    @abstractmethod
    def flops(self) -> float:
        """FLOPs of the run, at most."""

    @property
    def max_steps(self) -> int:
        """Steps that the run never exceeds."""
        return self.steps

    @abstractmethod
    def summary(self) -> dict[str, float]:
        """Return the resolved amounts by the names that runs are tracked under."""


@dataclass(frozen=True, kw_only=True)
class TokenBudget(Budget):
    """Amounts of a run that trains on given tokens.

    ``tokens`` is a whole number of steps: within one step of what was asked for. ``flops`` counts training only, with attention
    and the head (:mod:`openr1.models.flops`); ``flops_6nd`` is the usual approximation, with non-embedding parameters.
    """

    flops_per_token: float
    batch: int  # sequences a step, over all devices
    tokens_per_sequence: float

    @property
    def batch_tokens(self) -> float:
        return self.batch * self.tokens_per_sequence

    @property
    def sequences(self) -> int:
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


@dataclass(frozen=True)
class Phases:
    """The schedule of a run in steps: warm-up, a peak that may be long, decay."""

    steps: int
    warmup: int
    decay: int

    @property
    def stable_until(self) -> int:
        """The step up to which a longer run is the same."""
        return self.steps - self.decay


def phases(config: Config, budget: Budget) -> Phases:
    """The schedule of ``optim``; that of cosine decays from the end of the warm-up on, as linear does."""
    optim, steps = config.optim, budget.steps
    if optim.warmup_tokens is None:
        warmup = round(optim.warmup * steps)
    else:
        assert isinstance(budget, TokenBudget)  # rollouts have no fixed number of tokens a step
        warmup = round(optim.warmup_tokens / budget.batch_tokens)
    decay = {"wsd": round(optim.decay * steps), "constant": 0}.get(optim.schedule, steps - warmup)
    return Phases(steps, warmup, decay)


def form_of(config: Config) -> Shape:
    """The shape of the model that a run starts from: its checkpoint's, or that of the rung.

    :raises ConfigError: where there is no such model.
    """
    if checkpoint_of(config.model, config.scale):
        return checkpoint_shape(config.model, config.scale, config.data.context)
    return solve_shape(config.model, config.scale, vocab_size(config.data, config.model, config.scale), config.data.context)


def resolve(config: Config, dataset: Dataset | None = None, form: Shape | None = None) -> TokenBudget:
    """The budget of a run.

    :param dataset: needed where the length of a sequence or the number of unique tokens is a property of the data: for
        ``stage=sft`` and ``budget.epochs``.
    :param form: the shape of the model, where it starts from one that is not made yet.
    :raises ConfigError: where the budget is below one step, or needs a data set that is not there.
    """
    context, asked = config.data.context, config.budget
    form = form or form_of(config)
    params = count(form)
    per_token = _per_token(config, form)
    length = dataset.tokens_per_sequence if dataset else context

    tokens: float | None
    if asked.tokens is not None:
        tokens = asked.tokens
    elif asked.flops is not None:
        tokens = asked.flops / per_token
    elif asked.steps is not None:
        tokens = None
    elif asked.epochs is not None:
        if dataset is None:
            raise ConfigError("budget.epochs: the tokens of an epoch are known once the data are prepared")
        tokens = asked.epochs * dataset.unique_tokens
    else:
        tokens = asked.tokens_per_param * params.non_embedding

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
    steps = round(asked.steps if tokens is None else tokens / (batch * length))
    if steps < 1:
        key = next((k for k in ("tokens", "flops", "epochs") if getattr(asked, k) is not None), "tokens_per_param")
        raise ConfigError(
            f"budget.{key}: {getattr(asked, key):g} is {tokens:.3g} tokens, below one step of {batch * length:g} tokens; "
            "raise it or lower optim.batch_tokens"
        )
    lr = config.optim.lr
    if lr is None:
        lr = config.optim.lr_scale * LR_RULES[config.optim.lr_rule](params.non_embedding, steps * batch * length)
    budget = TokenBudget(
        shape=form,
        params=params,
        steps=steps,
        lr=lr,
        flops_per_token=per_token,
        batch=batch,
        tokens_per_sequence=length,
    )
    _check_warmup(config, budget)
    return budget


def _check_warmup(config: Config, budget: TokenBudget) -> None:
    optim, schedule = config.optim, phases(config, budget)
    decay = schedule.decay if optim.schedule == "wsd" else 0
    if optim.warmup_tokens is not None and schedule.warmup + decay > budget.steps:
        rest = f", of which optim.decay={optim.decay:g} are the decay" if decay else ""
        raise ConfigError(f"optim.warmup_tokens: {optim.warmup_tokens:g} of a run of {budget.tokens:g} tokens{rest}")


def _per_token(config: Config, form: Shape) -> float:
    """Training FLOPs of a token."""
    lora, recompute = getattr(config.stage, "lora", None), config.compute.gradient_checkpointing
    if lora is None or lora.rank is None:
        return flops.training_flops(form, config.data.context, recompute)
    try:
        return flops.lora_training_flops(form, config.data.context, lora.rank, recompute)
    except ValueError as error:
        raise ConfigError(f"stage.lora: {error}") from error


def _whole_batch(sequences: float, micro_batch: int | None) -> int:
    """At least one sequence, and a whole number of forward passes."""
    batch = max(1, round(sequences))
    return batch if micro_batch is None or batch <= micro_batch else micro_batch * round(batch / micro_batch)


def _check_shares(config: Config, batch: int, length: float) -> None:
    """A step is the same wherever a run executes, so it is not rounded to what the processes could share."""
    processes = config.compute.processes
    if config.stage.multiprocess and batch % processes:
        below, above = (batch // processes + more for more in (0, 1))
        fitting = " or ".join(f"{share * processes * length:g}" for share in (below, above) if share)
        raise ConfigError(
            f"compute.processes: {batch} sequences a step are not shared evenly by {processes} processes; "
            f"give optim.batch_tokens={fitting}, or other processes"
        )


def passes(batch: int, processes: int, micro_batch: int | None) -> tuple[int, int]:
    """How each process takes its share of a step: sequences of one forward pass, and how many passes.

    :param micro_batch: sequences of one forward pass, at most.
    """
    share = batch // processes
    size = next(size for size in range(min(micro_batch or share, share), 0, -1) if share % size == 0)
    return size, share // size
