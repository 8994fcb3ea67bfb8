"""The figures that a stage makes: the names of its metrics that a sweep may compare runs by, known before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    from openr1.config.schema import Config

MODEL: tuple[str, ...] = (
    "params_total",
    "params_active",
    "params_non_embedding",
    "params_trained",
    "params_mtp",
    "peak_memory_bytes",
    "gpu_hours",
)
TRAINING: tuple[str, ...] = (
    "eval_loss",
    "tokens",
    "unique_tokens",
    "epochs",
    "flops",
    "flops_train",
    "flops_eval",
    "flops_6nd",
    "flops_new",
)
TRAINING += ("mtp_loss", "flops_teacher", "tokens_per_second", "eval_seconds", "wall_seconds", "mfu")
ANSWERS: tuple[str, ...] = (
    "problems",
    "failed",
    "answers",
    "finished_rate",
    "prompt_tokens",
    "completion_tokens",
    "flops",
    "wall_seconds",
)
ANSWERS += ("flops_teacher", "tokens_per_second", "draft_tokens", "acceptance_rate")
SCORES: tuple[str, ...] = (
    "unjudged",
    "samples",
    "format_rate",
    "readability",
    "reasoned_rate",
    "finished_rate",
    "response_tokens",
    "pass_at_*",
    "maj_at_*",
    "best_of_*",
    "mean_score",
    "gold",
    "flops_reward",
)
PREFERENCES: tuple[str, ...] = ("eval_accuracy*", "calibration_*", "eval_pairs", "reward_mean", "reward_std")
CURATION: tuple[str, ...] = ("rows_*", "problems_*", "tokens_before", "tokens_after", "flops_teacher", "wall_seconds")
CURATION += ("flops", "flops_reward")
LEDGER: tuple[str, ...] = (
    "written",
    "completions",
    "tokens",
    "flops",
    "flops_rollout",
    "flops_score",
    "flops_train",
    "flops_eval",
)
POLICY: tuple[str, ...] = ("reward*", "signal_rate", "sampler_difference", "sampler_difference_max", "sampler_kl")
STEP_TIMES: tuple[str, ...] = tuple(
    f"{part}_{unit}" for part in ("rollout", "score", "update") for unit in ("seconds", "share")
)
# kind of a stage -> its figures; * stands for the number of samples, or for the name of a reward
FIGURES: dict[str, tuple[str, ...]] = {
    "pretrain": (*TRAINING, "eval_bits_per_byte", *MODEL),
    "sft": (*TRAINING, *MODEL),
    "reward_model": (*TRAINING, *PREFERENCES, *MODEL),
    "generate": ANSWERS,
    "curate": CURATION,
    "reject": (*ANSWERS, *CURATION),
    # those of the model are copied from its own run
    "evaluate": (*SCORES, *ANSWERS, *TRAINING, "eval_bits_per_byte", *MODEL),
    "grpo": (*SCORES, "eval_kl", *LEDGER, *MODEL, *POLICY, "steps", "epochs", *STEP_TIMES, "wall_seconds"),
}


def figures_of(config: Config) -> list[str]:
    """Return the names of the figures of a run: those of its stage, or of all steps of its recipe."""
    stages = [step.stage for step in config.recipe.steps.values()] if config.recipe else [config.stage]
    return list(dict.fromkeys(name for stage in stages for name in FIGURES[stage.kind]))


def check_figures(names: Iterable[str], key: str, config: Config) -> None:
    """Refuse a name that no stage of the run makes. ``STEP.NAME`` is that of a step of a recipe.

    :param key: of the names in the config of the sweep.
    :raises ConfigError: for the first, naming the figures that there are.
    """
    known = figures_of(config)
    steps = config.recipe.steps if config.recipe else {}
    for name in names:
        step, _, of_step = name.partition(".")
        patterns, figure = (FIGURES[steps[step].stage.kind], of_step) if step in steps else (known, name)
        if not any(fnmatchcase(figure, pattern) for pattern in patterns):
            raise ConfigError(f"{key}: {name!r} is not a figure of these runs; they make {', '.join(patterns)}")
