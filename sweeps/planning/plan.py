"""The runs of a study, resolved before any of them starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openr1.config.schema import Config
from openr1.runs.plan import plan as plan_stages
from openr1.runs.prepare import PreparedRun


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: the stages that it is made of."""

    name: str  # what sets it apart: its overrides
    config: Config
    stages: list[PreparedRun]

    @property
    def main(self) -> PreparedRun:
        """The stage that its N, D and C are of: the last that trains, or the last."""
        return next((stage for stage in reversed(self.stages) if stage.config.stage.trains), self.stages[-1])

    def share_done(self) -> float:
        """Of its work, by FLOPs, as far as anyone has said; by stages where no stage has a cost."""
        shares = [stage.share_done() for stage in self.stages]
        costs = [stage.estimate.flops_new or 0.0 for stage in self.stages]
        if all(share == 1 for share in shares):
            return 1.0
        if not sum(costs):
            return sum(shares) / len(shares)
        return sum(cost * share for cost, share in zip(costs, shares, strict=True)) / sum(costs)


def plan(runs: Iterable[tuple[str, Config]]) -> list[PlannedRun]:
    """Resolve every run, so that an impossible one is refused before the first is trained. Prepares the data that are there.

    :param runs: a name and a config each.
    :raises ConfigError: for the first that cannot run.
    """
    return [PlannedRun(name, config, plan_stages(config)) for name, config in runs]


def distinct(runs: Iterable[PlannedRun]) -> list[PreparedRun]:
    """The stages of a study; one that several runs share is there once."""
    return list({stage.artifact_name: stage for run in runs for stage in run.stages}.values())
