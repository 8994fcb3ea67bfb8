"""The evaluation in a run of reinforcement learning, as a config of its own. Light: plans have it too."""

from __future__ import annotations

from dataclasses import replace

from openr1.config.schema import Config
from openr1.stages.options import EvaluateStage


def evaluation_config(config: Config) -> Config:
    """The evaluation that a run of ``stage=grpo`` makes of its policy: with the sampling of its rollouts."""
    stage = config.stage
    asked = EvaluateStage(samples=stage.eval.samples, problems=stage.eval.problems, sampling=stage.sampling)
    return replace(config, stage=asked)
