"""Options of ``budget=`` and ``optim=``, and of adapters."""

from __future__ import annotations

from dataclasses import dataclass

from openr1.errors import ConfigError
from openr1.options import one_of, positive, share
from openr1.training.hyperparameters import BATCH_RULES, LR_RULES, SCHEDULES

BUDGETS = ("tokens", "flops", "steps", "completions", "epochs")


@dataclass
class BudgetConfig:
    """``budget=``: how long a run trains. One key is given and the others follow from it."""

    tokens: float | None = None
    flops: float | None = None  # training FLOPs (openr1.models.flops); for stage=grpo those of rollouts and updates together
    steps: float | None = None
    completions: float | None = None  # answers that the policy learns from, for stage=grpo
    epochs: float | None = None  # passes over the unique training tokens
    tokens_per_param: float | None = 20.0  # per non-embedding parameter; used if none of the others is given


@dataclass
class OptimConfig:
    """``optim=``: AdamW and its schedule. A null ``lr`` or ``batch_tokens`` follows from the rule beside it."""

    lr: float | None = None
    lr_rule: str = "small"  # a name in openr1.training.hyperparameters.LR_RULES
    lr_scale: float = 1.0  # factor on the learning rate of the rule
    batch_tokens: float | None = None  # tokens of one step, over all devices
    batch_rule: str = "step_law"  # a name in openr1.training.hyperparameters.BATCH_RULES
    schedule: str = "wsd"  # wsd (warm-up, stable, decay), cosine, linear or constant
    warmup: float = 0.1  # share of the steps
    warmup_tokens: float | None = None  # tokens of warm-up instead of a share, so that runs of different lengths begin alike
    decay: float = 0.3  # share of the steps, for wsd
    min_lr_ratio: float = 0.0  # learning rate at the end, as a share of its peak
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    grad_clip: float = 1.0  # 0 for none


@dataclass
class LoraOptions:
    """Low-rank adapters (arXiv 2106.09685) of every linear layer of the blocks, trained instead of its weights."""

    rank: int | None = None  # null to train all weights
    alpha: float = 32.0  # the output of an adapter is scaled by alpha / rank
    dropout: float = 0.0  # on the input of an adapter


def check_budget(budget: BudgetConfig) -> None:
    """Refuse an impossible budget.

    :raises ConfigError: if several budgets are given, or the one given is not above 0.
    """
    given = [key for key in BUDGETS if getattr(budget, key) is not None]
    if len(given) > 1:
        raise ConfigError(f"budget: {' and '.join(given)} are given; give one")
    key = given[0] if given else "tokens_per_param"
    if not getattr(budget, key) or getattr(budget, key) <= 0:
        raise ConfigError(f"budget.{key}: must be above 0; or give one of {', '.join(BUDGETS)}")


def check_optim(optim: OptimConfig) -> None:
    """Refuse impossible options of ``optim=``.

    :raises ConfigError: for the first key that is wrong.
    """
    one_of(optim.schedule, "optim.schedule", SCHEDULES)
    one_of(optim.lr_rule, "optim.lr_rule", LR_RULES)
    one_of(optim.batch_rule, "optim.batch_rule", BATCH_RULES)
    positive(optim, "optim", "lr", "batch_tokens", "warmup_tokens", "lr_scale", "eps")
    share(optim, "optim", "warmup", "decay", "min_lr_ratio", "beta1", "beta2")
    if optim.schedule == "wsd" and optim.warmup_tokens is None and optim.warmup + optim.decay > 1:
        raise ConfigError(f"optim.decay: warmup={optim.warmup} and decay={optim.decay} are more than the whole run")
