"""What a scorer and its worker processes say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from openr1.rewards.base import Sample, Verdict

START_SECONDS = 120.0  # to import what scoring needs
LATE = "no end within"  # how the error of a time-out begins
VERDICT = "verdict"  # the step that checks the answer; the other steps have the names of the terms


@dataclass
class Found:
    """What is known of a sample, without the sample. A step that failed has an error, and no value or no verdict."""

    values: dict[str, float | None] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass
class Work:
    """To the worker: a sample, to be checked and given the rewards of one sample alone; or one reward of a whole group."""

    samples: tuple[Sample, ...]
    found: Found = field(default_factory=Found)
    term: str | None = None  # the reward of a group


@dataclass(frozen=True)
class Ready:
    """From a worker that has started: of each term, whether it is of a group and what it needs; or why there is no such mix."""

    groups: dict[str, bool] = field(default_factory=dict)
    needs: dict[str, str | None] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Step:
    """From a worker, before it does what could hang: who kills it knows what to blame, and what was found before is kept."""

    name: str
    stage: str  # "start" (imports), "gold" (reading the gold answer) or "completion": whose fault it is
    seconds: float  # that it may take
    found: Found


@dataclass(frozen=True)
class Done:
    """From a worker that has done its work: what it found, or the values of the group."""

    found: Found
    values: list[float | None] = field(default_factory=list)
