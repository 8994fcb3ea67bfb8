"""The figures of a rerun beside those of the original."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from openr1.runs.record import RunRecord, StageRecord
from openr1.stages.options import STAGES

# of the machine and the clock: no two runs have them in common
CLOCK = ("_seconds", "_per_second", "_memory_bytes", "_hours")
SHARES = ("rollout_share", "score_share", "update_share")  # of the time of a step
MACHINE = ("seconds", "mfu", "time")


@dataclass(frozen=True)
class Figure:
    """One figure of a stage in both runs; None where a run does not have it."""

    name: str
    original: float | None
    now: float | None

    @property
    def is_same(self) -> bool:
        if self.original is None or self.now is None:
            return self.original == self.now
        return self.original == self.now or (math.isnan(self.original) and math.isnan(self.now))

    @property
    def relative(self) -> float:
        """The difference as a share of the original; infinite where that is 0 or one of them is missing."""
        if self.is_same:
            return 0.0
        if not self.original or self.now is None:
            return math.inf
        return abs(self.now - self.original) / abs(self.original)

    def __str__(self) -> str:
        if self.is_same:
            return "same to the bit"
        if self.original is None or self.now is None:
            return f"only in the {'rerun' if self.original is None else 'original'}"
        share = f"{self.relative:.2g}" if math.isfinite(self.relative) else "the original is 0"
        return f"differs by {self.now - self.original:+.3g} (relative {share})"


@dataclass(frozen=True)
class StageComparison:
    """Comparison of one stage.

    :ivar content: "weights" or "data".
    :ivar content_is_same: whether these are the same to the bit; None where the original's are not known.
    """

    name: str
    kind: str
    figures: list[Figure]
    content: str
    content_is_same: bool | None
    run_id: str | None = None
    original_run_id: str | None = None

    @property
    def differing(self) -> list[Figure]:
        """Figures that differ. One that the original does not have cannot."""
        return [figure for figure in self.figures if not figure.is_same and figure.original is not None]

    @property
    def is_same(self) -> bool:
        return not self.differing and self.content_is_same is not False


@dataclass(frozen=True)
class Comparison:
    """Comparison of a rerun with its original.

    :ivar name: of the original.
    :ivar differences: what differed before the rerun, a line each.
    :ivar config: keys that overrides have changed, a line each.
    :ivar failure: why it could not be rerun; "" if it was.
    """

    name: str
    stages: list[StageComparison] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    config: list[str] = field(default_factory=list)
    failure: str = ""
    run_id: str | None = None
    original_run_id: str | None = None

    @property
    def is_same(self) -> bool:
        return not self.failure and all(stage.is_same for stage in self.stages)

    @property
    def figures(self) -> int:
        """The number of figures that both runs have."""
        return sum(figure.original is not None for stage in self.stages for figure in stage.figures)

    @property
    def differing(self) -> list[Figure]:
        return [figure for stage in self.stages for figure in stage.differing]

    @property
    def largest(self) -> Figure | None:
        """The figure with the largest relative difference; None if all are the same."""
        return max(self.differing, key=lambda figure: figure.relative, default=None)

    def verdict(self) -> str:
        """Return a sentence that says how much is the same."""
        if self.failure:
            return f"could not be rerun: {self.failure}"
        changed = [stage.content for stage in self.stages if stage.content_is_same is False]
        if self.is_same:
            return f"all {self.figures} figures are the same to the bit{self._contents()}"
        parts = []
        if largest := self.largest:
            parts.append(f"{len(self.differing)} of {self.figures} figures differ, most of all {largest.name}, which {largest}")
        else:
            parts.append(f"all {self.figures} figures are the same to the bit")
        if changed:
            parts.append(f"the {' and the '.join(dict.fromkeys(changed))} differ")
        return "; ".join(parts)

    def _contents(self) -> str:
        known = [stage.content for stage in self.stages if stage.content_is_same]
        return f", and so are the {' and the '.join(dict.fromkeys(known))}" if known else ""


def is_of_the_clock(name: str) -> bool:
    """Return True for a figure of time, speed or memory, which no two runs have in common."""
    return name.endswith(CLOCK) or name in (*MACHINE, *SHARES) or name.startswith("system/")


def compare_stages(original: StageRecord, now: StageRecord, tracked: Mapping[str, float]) -> StageComparison:
    """Compare a stage with its original.

    :param tracked: metrics of the rerun in the store, which has last points of curves too.
    """
    measured = {**(tracked if original.is_tracked else {}), **now.metrics}
    names = dict.fromkeys([*now.metrics, *original.metrics])
    figures = [Figure(name, original.metrics.get(name), measured.get(name)) for name in names if not is_of_the_clock(name)]
    same = original.content == now.content if original.content and now.content else None
    content = "weights" if STAGES[original.kind].trains else "data"
    ids = (now.run_id, original.run_id)
    return StageComparison(original.name, original.kind, figures, content, same, *ids)


def compare(original: RunRecord, now: RunRecord, tracked: Mapping[str, Mapping[str, float]]) -> list[StageComparison]:
    """Compare the stages of a run that both have.

    :param tracked: metrics of the rerun in the store by the names of its stages.
    """
    of_now = {stage.name: stage for stage in now.stages}
    pairs = [(stage, of_now[stage.name]) for stage in original.stages if stage.name in of_now]
    return [compare_stages(before, after, tracked.get(after.name, {})) for before, after in pairs]
