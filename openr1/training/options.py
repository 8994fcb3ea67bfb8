"""Options of ``budget=`` and ``optim=``, and of adapters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le, MultipleOf

from openr1.models.options import ScaleConfig, check_scale
from openr1.models.parametrization import PARAMETRIZATIONS
from openr1.options.ranges import Flops, NotNegative, OneOf, Positive, Share, Tokens
from openr1.system.errors import ConfigError
from openr1.training.hyperparameters import BATCH_RULES, LR_RULES, SCHEDULES

BUDGETS = ("tokens", "flops", "steps", "completions", "epochs")
OPTIMISERS = ("adamw", "muon")
UPDATE_SCALES = ("match_rms_adamw", "original")


@dataclass
class BudgetConfig:
    """``budget=``: how long a run trains. One key is given and the others follow from it."""

    tokens: Tokens | None = None
    flops: Flops | None = None  # training FLOPs (openr1.models.flops); for stage=grpo those of rollouts and updates together
    steps: Annotated[float, Ge(1), Le(1e12), MultipleOf(1)] | None = None
    completions: Annotated[float, Ge(1), Le(1e15)] | None = None  # answers that the policy learns from, for stage=grpo
    epochs: Annotated[float, Gt(0), Le(1e9)] | None = None  # passes over the unique training tokens
    # per non-embedding parameter; used if none of the others is given
    tokens_per_param: Annotated[float, Gt(0), Le(1e9)] | None = 20.0


@dataclass
class MuonOptions:
    """Muon of ``optim.kind=muon``: momentum whose matrices are made orthogonal by Newton-Schulz steps."""

    momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.95
    nesterov: bool = True
    steps: Annotated[int, Interval(ge=1, le=99)] = 5  # Newton-Schulz steps
    # factor on an A x B update: match_rms_adamw 0.2 sqrt(max(A, B)) (arXiv 2502.16982), original sqrt(max(1, A / B))
    scale: Annotated[str, OneOf(UPDATE_SCALES)] = "match_rms_adamw"
    adamw_lr_scale: Positive = 1.0  # factor on the learning rate of the tensors that AdamW trains


@dataclass
class OptimConfig:
    """``optim=``: the optimiser and its schedule. A null ``lr`` or ``batch_tokens`` follows from the rule beside it."""

    # adamw, or muon for the matrices within layers and AdamW for all other tensors (embeddings, head, gains, biases, router)
    kind: Annotated[str, OneOf(OPTIMISERS)] = "adamw"
    muon: MuonOptions = field(default_factory=MuonOptions)
    # learning rate and initial weights of each tensor by size: standard, mup (arXiv 2203.03466), completep (2505.01618)
    parametrization: Annotated[str, OneOf(PARAMETRIZATIONS)] = "standard"
    base: ScaleConfig | None = (
        None  # the size that lr and the initial weights are of, for mup and completep: scale@optim.base=50k
    )
    lr: Annotated[float, Gt(0), Le(1e3)] | None = None
    lr_rule: Annotated[str, OneOf(LR_RULES)] = "small"  # a name in openr1.training.hyperparameters.LR_RULES
    lr_scale: Annotated[float, Gt(0), Le(1e6)] = 1.0  # factor on the learning rate of the rule
    batch_tokens: Tokens | None = None  # tokens of one step, over all devices
    batch_rule: Annotated[str, OneOf(BATCH_RULES)] = "step_law"  # a name in openr1.training.hyperparameters.BATCH_RULES
    schedule: Annotated[str, OneOf(SCHEDULES)] = "wsd"  # wsd (warm-up, stable, decay), cosine, linear or constant
    warmup: Share = 0.1  # share of the steps
    warmup_tokens: Tokens | None = None  # tokens of warm-up instead of a share, so that runs of different lengths begin alike
    decay: Share = 0.3  # share of the steps, for wsd
    min_lr_ratio: Share = 0.0  # learning rate at the end, as a share of its peak
    weight_decay: Annotated[float, Ge(0), Le(1e3)] = 0.1
    beta1: Annotated[float, Interval(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Interval(ge=0, lt=1)] = 0.95
    eps: Annotated[float, Gt(0), Le(1)] = 1e-8
    grad_clip: NotNegative = 1.0  # 0 for none


@dataclass
class LoraOptions:
    """Low-rank adapters (arXiv 2106.09685) of every linear layer of the blocks, trained instead of its weights."""

    rank: Annotated[int, Ge(1), Le(2**16)] | None = None  # null to train all weights
    alpha: Annotated[float, Gt(0), Le(1e6)] = 32.0  # the output of an adapter is scaled by alpha / rank
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0  # on the input of an adapter


def check_budget(budget: BudgetConfig) -> None:
    """Refuse an impossible budget.

    :raises ConfigError: if several budgets are given, or none.
    """
    given = [key for key in BUDGETS if getattr(budget, key) is not None]
    if len(given) > 1:
        raise ConfigError(f"budget: {' and '.join(given)} are given; give one")
    if not given and budget.tokens_per_param is None:
        raise ConfigError(f"budget.tokens_per_param: is null; give it or one of {', '.join(BUDGETS)}")


def check_optim(optim: OptimConfig) -> None:
    """Refuse impossible options of ``optim=``.

    :raises ConfigError: for the first key that is wrong.
    """
    if optim.parametrization != "standard":
        if optim.base is None:
            raise ConfigError(
                f"optim.base: optim.parametrization={optim.parametrization} is relative to a base size; give optim=mup or "
                "optim=completep, whose base is 50k, or another one with +scale@optim.base=100k"
            )
        check_scale(optim.base, "optim.base")
    if optim.kind != "muon" and optim.muon != MuonOptions():
        raise ConfigError(f"optim.muon: is for optim.kind=muon, not optim.kind={optim.kind}")
    if optim.schedule == "wsd" and optim.warmup_tokens is None and optim.warmup + optim.decay > 1:
        raise ConfigError(f"optim.decay: warmup={optim.warmup} and decay={optim.decay} are more than the whole run")
