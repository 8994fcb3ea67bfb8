"""Rules of the policy's loss that decide a result beside the options, with their versions for fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openr1.config.schema import Config

TRUNCATION = 1  # version of how a truncated policy is scored
STEP_MEANS = 1  # version of means over the tokens of a step that is split into micro-batches


def splits_step(config: Config) -> bool:
    """Return True if the answers of a step are computed in several micro-batches, or by several processes."""
    stage, micro_batch = config.stage, config.compute.micro_batch
    answers = stage.prompts * stage.samples // stage.updates
    return config.compute.processes > 1 or (micro_batch is not None and micro_batch < answers)


def policy_rules(config: Config) -> dict[str, int]:
    """Return the versions of the rules that a policy of this config is trained by. A rule that is not used does not count."""
    stage, versions = config.stage, {}
    if stage.sampling.truncates:
        versions["truncation"] = TRUNCATION
    loss, micro_batch = stage.loss, config.compute.micro_batch
    means = loss.type == "bnpo" or loss.entropy_coef or loss.top_entropy < 1
    if means and micro_batch is not None and micro_batch < stage.prompts * stage.samples // stage.updates:
        versions["step_means"] = STEP_MEANS
    return versions
