"""Options of reinforcement learning, within ``stage=grpo``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Interval, Le

from openr1.options.ranges import Count, OneOf, PositiveShare

LOSSES = ("grpo", "dapo", "dr_grpo", "bnpo", "cispo", "luspo", "sapo", "vespo")  # losses of TRL's GRPOTrainer
IMPORTANCE = ("token", "sequence")
SCALES = ("group", "batch", "none")
AGGREGATIONS = ("sum_then_normalize", "normalize_then_sum")
CORRECTIONS = ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")
ZERO_VARIANCE = ("keep", "drop", "resample")


@dataclass
class LossOptions:
    """Loss of a policy. The names are TRL's."""

    type: Annotated[str, OneOf(LOSSES)] = "dapo"  # a name in openr1.rl.options.LOSSES
    importance: Annotated[str, OneOf(IMPORTANCE)] = "token"  # token, or sequence for GSPO (arXiv 2507.18071)
    epsilon: Annotated[float, Gt(0), Le(1e3)] = 0.2  # the ratio of probabilities is clipped below at 1 - epsilon
    # and above at 1 + epsilon_high (clip-higher: 0.28, arXiv 2503.14476); null for epsilon
    epsilon_high: Annotated[float, Gt(0), Le(1e3)] | None = None
    # bound of the ratio where the advantage is negative (arXiv 2505.07291); null for none
    delta: Annotated[float, Gt(0), Le(1e6)] | None = None
    beta: Annotated[float, Ge(0), Le(1e6)] = 0.0  # weight of the KL divergence from the model that the stage starts from
    # advantages over the deviation of their group or batch, or none (Dr. GRPO, arXiv 2503.20783)
    scale_rewards: Annotated[str, OneOf(SCALES)] = "group"
    # combines reward terms; or normalize_then_sum (GDPO, arXiv 2601.05242)
    aggregation: Annotated[str, OneOf(AGGREGATIONS)] = "sum_then_normalize"
    # cap of truncated importance sampling: a token weighs min(p_trainer / p_sampler, cap); null for no weights
    tis_cap: Annotated[float, Gt(0), Le(1e6)] | None = None
    mask_truncated: bool = False  # leave out answers that were cut off (overlong filtering, arXiv 2503.14476)
    top_entropy: PositiveShare = 1.0  # share of the tokens, those of highest entropy, that count in the loss (arXiv 2506.01939)
    entropy_coef: Annotated[float, Interval(ge=-1e6, le=1e6)] = 0.0  # weight of an entropy bonus


@dataclass
class GroupOptions:
    """Treatment of groups whose answers all have the same reward, from which the policy learns nothing."""

    # keep, drop (from the loss), or resample: other problems replace them (DAPO's dynamic sampling)
    zero_variance: Annotated[str, OneOf(ZERO_VARIANCE)] = "keep"
    rounds: Count = 3  # rounds of resampling; after them zero-variance groups fill the batch, dropped from the loss


@dataclass
class EvalOptions:
    """Evaluations during training, on fixed held-out problems with the same random numbers every time."""

    every: Count = 10  # steps; also at the start and at the end
    problems: Count | None = 100  # so many of each source, the first ones; null for all
    samples: Count = 4


@dataclass
class VllmOptions:
    """Options of vLLM as TRL runs it, for ``engine=vllm``."""

    server: str | None = None  # address of a ``trl vllm-serve`` of the model; null for vLLM in this process
    sleep: bool = True  # vLLM in this process frees its memory while the model is updated
    # TRL's importance sampling, for differences between vLLM and the model; null for none
    correction: Annotated[str, OneOf(CORRECTIONS)] | None = "sequence_mask"
