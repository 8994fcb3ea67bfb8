"""Quantities that a table of runs may hold: the names of their columns, their units, and how messages name both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openr1.system.errors import ConfigError


@dataclass
class Columns:
    """Names of the columns that hold each quantity; null for the column of the same name, if there is one."""

    N: str | None = None  # parameters
    D: str | None = None  # training tokens
    C: str | None = None  # training FLOPs, or another unit of compute for a law of RL
    loss: str | None = None  # nats per token
    loss_se: str | None = None  # standard error of the loss, for weights=inverse_variance
    pass_at_1: str | None = None  # share of correct answers
    U: str | None = None  # unique training tokens
    error: str | None = None  # share, on downstream tasks; 1 - pass_at_1 if only that is known
    teacher_loss: str | None = None  # nats per token
    supervised_loss: str | None = None  # loss of the same student trained without a teacher
    lr: str | None = None  # peak learning rate
    batch: str | None = None  # tokens per step
    k: str | None = None  # samples per problem
    experts: str | None = None  # experts of a layer
    active_experts: str | None = None  # experts of a layer that a token uses; 1 if not given
    granularity: str | None = None  # how much finer experts are than a feed-forward block
    coverage: str | None = None  # share of problems with a correct answer among k
    samples: str | None = None  # samples of a problem
    correct: str | None = None  # correct samples of a problem
    weight: str | None = None  # weight of the row in a fit; without it, a column named weight is not used
    run: str | None = None  # training run of a row that is a point of a curve; its points stay together in a resample
    step: str | None = None  # training step of a point of a curve
    weight_decay: str | None = None  # decoupled weight decay of AdamW
    family: str | None = None  # family of a model that others trained
    benchmark: str | None = None  # benchmark of a score, in a table with a row per model and benchmark
    score: str | None = None  # share of its points
    kl: str | None = None  # KL divergence of a policy from the policy at the start, nats per answer
    gold: str | None = None  # reward that is wanted, of a policy that is optimised for another one; of any sign
    rollouts: str | None = None  # answers of a group: rollouts of a problem in a step of reinforcement learning
    prompts: str | None = None  # problems of a step of reinforcement learning
    answer_tokens: str | None = None  # tokens of an answer

    @classmethod
    def of(cls, columns: Columns | Mapping[str, str] | None) -> Columns:
        """Return columns that are given as such, as a mapping, or not at all.

        :raises ConfigError: for anything else, or a quantity that there is not.
        """
        if isinstance(columns, cls):
            return columns
        known = cls.__dataclass_fields__
        if columns is not None and not isinstance(columns, Mapping):
            raise ConfigError("columns: must be Columns, such as Columns(N='params'), or a mapping, such as {'N': 'params'}")
        if unknown := [name for name in columns or {} if name not in known]:
            raise ConfigError(f"columns: there is no quantity {unknown[0]!r}; there are {', '.join(known)}")
        return cls(**(columns or {}))


@dataclass
class Units:
    """Units of the columns: a factor such as 1e6, or a name; null for the unit of the header, or else that of the quantity."""

    N: str | None = None  # a factor, or k, M, B, T
    D: str | None = None  # a factor (such as the tokens of a step), or k, M, B, T
    C: str | None = None  # a factor, or a name such as PF-days, EFLOPs; 1 keeps a unit that is not FLOPs
    loss: str | None = None  # nats, bits or perplexity, of which the logarithm is taken
    pass_at_1: str | None = None  # percent
    U: str | None = None  # as D
    error: str | None = None  # percent
    teacher_loss: str | None = None  # as loss
    supervised_loss: str | None = None  # as loss
    batch: str | None = None  # as D
    coverage: str | None = None  # percent
    score: str | None = None  # percent
    kl: str | None = None  # nats or bits


COUNTS = ("N", "D", "U", "batch", "k", "samples", "correct", "rollouts", "prompts", "answer_tokens")
LOSSES = ("loss", "teacher_loss", "supervised_loss")
NATS = (*LOSSES, "kl")
SHARES = ("pass_at_1", "error", "coverage", "score")  # at most 1
NONNEGATIVE = (*SHARES, "correct", "weight", "kl")  # may be 0
SIGNED = ("gold",)  # may be any finite number
LABELS = ("run", "family", "benchmark")  # not numbers
# quantities of which no two are ever the same numbers; a share of right answers may have several names
DISTINCT = (*LOSSES, "N", "D", "C", "lr", "batch", "kl", "gold", "weight_decay")
DEFAULT_NEEDS = ("N", "D", "C", "loss")  # default of the quantities that a usable row must have
# named by a source for all laws, though its runs may lack them: runs of RL have no loss
OPTIONAL = ("N", "D", "loss", "lr", "batch", "experts", "active_experts")

# columns that may well hold a quantity; a message names them, and nobody's choice is made for them
LOOK_ALIKES = {
    "N": (
        *("params", "n_params", "num_params", "nparams", "parameters", "n_parameters", "num_parameters", "model_size", "n"),
        *("non_embedding_params", "params_non_embedding", "params_total"),
    ),
    "D": ("tokens", "n_tokens", "num_tokens", "ntokens", "train_tokens", "training_tokens", "tokens_seen", "d"),
    "C": (
        *("flops", "flop", "compute", "train_flops", "training_flops", "total_flops", "training_compute", "c"),
        *("pf_days", "pflop_s_days", "gpu_hours"),
    ),
    "loss": ("val_loss", "eval_loss", "valid_loss", "validation_loss", "test_loss", "final_loss", "train_loss", "loss"),
    "pass_at_1": ("pass_1", "pass_rate", "accuracy", "acc", "reward"),
    "U": ("unique_tokens",),
    "lr": ("learning_rate", "peak_lr"),
    "batch": ("batch_tokens", "batch_size"),
    "error": ("error_rate", "err"),
}


def mapping(value: Any, argument: str, example: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an argument that is a mapping, or empty for null.

    :raises ConfigError: for anything else, with an example of what to write.
    """
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{argument}: must be a mapping, such as {dict(example)}, not {value!r}")
    return value or {}


@dataclass(frozen=True)
class Keys:
    """Names of options in messages: keys of a config, or arguments of a function."""

    options: str = ""  # prefix of an option of a source
    columns: str = "columns."  # prefix of the column of a quantity
    config: bool = False

    def option(self, name: str) -> str:
        """Return the name of an option."""
        return f"{self.options}{name}"

    def column(self, key: str) -> str:
        """Return the name of the option that names the column of a quantity."""
        return f"{self.columns}{key}"

    def naming(self, key: str, name: str) -> str:
        """Return the choice of a column for a quantity, as one writes it."""
        return f"{self.columns}{key}={name if self.config else repr(name)}"

    def setting(self, name: str, value: str) -> str:
        """Return an option with its value, as one writes it."""
        return f"{self.options}{name}={MARKS.get(value, value)}" if self.config else f"{name}={value!r}"

    def unit(self, key: str, value: str) -> str:
        """Return the unit of a quantity, as one writes it."""
        if self.config:
            return f"{self.options}units.{key}={value}"
        return f"units={{{key!r}: {value if value[0].isdigit() else repr(value)}}}"

    def where(self, name: str, value: str) -> str:
        """Return a condition, as one writes it."""
        return f"+{self.options}where.{name}={value}" if self.config else f"where={{{name!r}: {value!r}}}"

    @property
    def runs(self) -> str:
        """The name of the table as a whole."""
        return self.options.rstrip(".") or "runs"


MARKS = {",": "comma", ".": "point", ";": "semicolon", "\t": "tab", " ": "space", "|": "pipe", "'": "apostrophe"}
CONFIG = Keys("runs.", "runs.columns.", config=True)
TIDY = Keys()  # of a function that takes Columns
ARGUMENTS = Keys(columns="")  # of a function that takes the columns by keyword
