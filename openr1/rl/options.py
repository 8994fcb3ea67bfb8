"""Options of reinforcement learning, within ``stage=grpo``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LossOptions:
    """Loss of a policy. The names are TRL's."""

    type: str = "dapo"  # a name in openr1.rl.validation.LOSSES
    importance: str = "token"  # token, or sequence for GSPO (arXiv 2507.18071)
    epsilon: float = 0.2  # the ratio of probabilities is clipped below at 1 - epsilon
    epsilon_high: float | None = None  # and above at 1 + epsilon_high (clip-higher: 0.28, arXiv 2503.14476); null for epsilon
    delta: float | None = None  # bound of the ratio where the advantage is negative (arXiv 2505.07291); null for none
    beta: float = 0.0  # weight of the KL divergence from the model that the stage starts from
    scale_rewards: str = "group"  # advantages over the deviation of their group or batch, or none (Dr. GRPO, arXiv 2503.20783)
    aggregation: str = "sum_then_normalize"  # combines reward terms; or normalize_then_sum (GDPO, arXiv 2601.05242)
    mask_truncated: bool = False  # leave out answers that were cut off (overlong filtering, arXiv 2503.14476)
    top_entropy: float = 1.0  # share of the tokens, those of highest entropy, that count in the loss (arXiv 2506.01939)
    entropy_coef: float = 0.0  # weight of an entropy bonus


@dataclass
class GroupOptions:
    """Treatment of groups whose answers all have the same reward, from which the policy learns nothing."""

    # keep, drop (from the loss), or resample: other problems replace them (DAPO's dynamic sampling)
    zero_variance: str = "keep"
    rounds: int = 3  # rounds of resampling; after them zero-variance groups fill the batch, dropped from the loss


@dataclass
class EvalOptions:
    """Evaluations during training, on fixed held-out problems with the same random numbers every time."""

    every: int = 10  # steps; also at the start and at the end
    problems: int | None = 100  # so many of each source, the first ones; null for all
    samples: int = 4


@dataclass
class VllmOptions:
    """Options of vLLM as TRL runs it, for ``engine=vllm``."""

    server: str | None = None  # address of a ``trl vllm-serve`` of the model; null for vLLM in this process
    sleep: bool = True  # vLLM in this process frees its memory while the model is updated
    correction: str | None = (
        "sequence_mask"  # TRL's importance sampling, for differences between vLLM and the model; null for none
    )
