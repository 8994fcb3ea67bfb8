"""Messages between a scorer and its worker processes."""

from __future__ import annotations

from dataclasses import dataclass, field

from openr1.rewards.base import Sample, Verdict

START_SECONDS = 120.0  # time for the imports of scoring
LATE = "no end within"  # the error of a time-out begins with it
VERDICT = "verdict"  # the step that judges the answer; every other step has the name of its term


@dataclass
class PartialScore:
    """The values and the verdict of a sample so far. A step that failed has an error, and no value or no verdict."""

    values: dict[str, float | None] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass
class Task:
    """A message to a worker: to score one sample by every reward of single samples, or a group by one reward of groups."""

    samples: tuple[Sample, ...]
    score: PartialScore = field(default_factory=PartialScore)
    term: str | None = None  # name of the reward of groups
    terms: frozenset[str] | None = None  # names of the rewards to compute; None for all


@dataclass(frozen=True)
class Ready:
    """A message of a worker that has started, with the properties of each term; or the error of a wrong mix."""

    groups: dict[str, bool] = field(default_factory=dict)  # the term is a reward of groups
    needs: dict[str, str | None] = field(default_factory=dict)  # of the term, see :class:`openr1.rewards.base.Reward`
    error: str = ""


@dataclass(frozen=True)
class StepStart:
    """A message of a worker before a step that may hang, so that the pool knows which step failed and keeps earlier results."""

    name: str
    stage: str  # "start" (imports), "gold" (reading the gold answer) or "completion": the part that a hang is due to
    seconds: float  # time limit
    score: PartialScore


@dataclass(frozen=True)
class TaskResult:
    """A message of a worker that has finished a task."""

    score: PartialScore
    values: list[float | None] = field(default_factory=list)  # of the samples of a group
