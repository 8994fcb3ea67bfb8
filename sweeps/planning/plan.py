"""Planned runs of a study, resolved before any of them starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openr1.config.schema import Config
from openr1.runs.plan import plan as plan_stages
from openr1.runs.prepare import PreparedRun


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    :ivar name: the overrides that distinguish it from the other runs.
    """

    name: str
    config: Config
    stages: list[PreparedRun]

    @property
    def main(self) -> PreparedRun:
        """The stage whose N, D and C stand for the run: the last that trains, or the last."""
        return next((stage for stage in reversed(self.stages) if stage.config.stage.trains), self.stages[-1])

    def is_done(self) -> bool:
        """Return True if all stages have left their artifacts: stages of no known FLOPs, such as evaluations, count too."""
        return all(stage.artifact() for stage in self.stages)

    def share_done(self) -> float:
        """Return the share of the run's known FLOPs that is done; the share of its stages where no FLOPs are known."""
        shares = [stage.share_done() for stage in self.stages]
        flops = [stage.estimate.flops_new or 0.0 for stage in self.stages]
        if not sum(flops):
            return sum(shares) / len(shares)
        return sum(count * share for count, share in zip(flops, shares, strict=True)) / sum(flops)


def plan_runs(runs: Iterable[tuple[str, Config]]) -> list[PlannedRun]:
    """Resolve every run, so that an impossible one is refused before any is trained. Prepares the data that exist.

    :param runs: a name and a config each.
    :raises ConfigError: for the first that cannot run.
    """
    return [PlannedRun(name, config, plan_stages(config)) for name, config in runs]


def distinct_stages(runs: Iterable[PlannedRun]) -> list[PreparedRun]:
    """Return the stages of some runs; one that several runs share is there once."""
    return list({stage.artifact_name: stage for run in runs for stage in run.stages}.values())
