"""Status of a study of a design, from its ``plan.json``, its artifacts and the tracking store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from openr1.sweeps.cost.schedule import schedule
from openr1.sweeps.planning.states import StagePlace, State, state_of_run
from openr1.sweeps.planning.tracked_runs import latest_by_fingerprint, read_tracked_runs
from openr1.sweeps.status import plan_file
from openr1.sweeps.status.config import StatusConfig
from openr1.tracking.mlflow import TrackedRun

ENDED = (State.DONE, State.FAILED, State.PRUNED)
SCORES = ("eval_loss", "pass_at_1")  # of a run, in the order of the columns
CHOICES: dict[str, Callable[..., RunStatus]] = {"pass_at_1": max, "eval_loss": min}  # what is best, by the first that runs have


@dataclass(frozen=True)
class RunStatus:
    """Status of one run.

    :ivar round: of the design, from 0 on.
    :ivar share: of its work that is done.
    :ivar scores: the last measured values of :data:`SCORES`.
    :ivar left: known FLOPs that are still to do; 0 of a run that has ended.
    :ivar parts: fingerprints and seconds of what is still to do, as :func:`openr1.sweeps.cost.schedule.schedule` takes them.
    :ivar is_timed: the time of all that is still to do is known.
    """

    name: str
    round: int
    state: State
    reason: str
    share: float
    scores: dict[str, float]
    left: float
    parts: list[tuple[str, float]]
    is_timed: bool


@dataclass(frozen=True)
class StudyStatus:
    """Status of a study.

    :ivar command: that wrote the plan; the same command resumes the study.
    :ivar seconds: to the end of the last run; None where no time is known.
    :ivar adapts: results decide on further runs.
    """

    study: str
    command: str
    runs: list[RunStatus]
    seconds: float | None
    adapts: bool

    def count(self, state: State) -> int:
        """Count the runs in a state."""
        return sum(run.state is state for run in self.runs)

    @property
    def ended(self) -> bool:
        return all(run.state in ENDED for run in self.runs)

    @property
    def best(self) -> tuple[RunStatus, str] | None:
        """The best finished run, and the name of the score that it is best by: the pass rate where runs have one, since what is
        evaluated may all start from one model, and has its loss.
        """
        for score, choose in CHOICES.items():
            done = [run for run in self.runs if run.state is State.DONE and score in run.scores]
            if done:
                return choose(done, key=lambda run: run.scores[score]), score
        return None


def read_status(config: StatusConfig) -> StudyStatus:
    """Read the status of a study.

    :raises ConfigError: where the study has no plan.
    """
    plan = plan_file.read(config.paths, config.status)
    tracked = latest_by_fingerprint(read_tracked_runs(config.tracking, config.status))
    runs = [_run_status(run, tracked) for run in plan["runs"]]
    left = sorted((run for run in runs if run.state not in ENDED), key=lambda run: (run.round, run.state is not State.RUNNING))
    start = 0.0 if any(run.state is State.RUNNING for run in runs) else plan["worker_start_seconds"]
    rounds = [[run.parts for run in group] for _, group in groupby(left, key=lambda run: run.round)]
    seconds = schedule(rounds, plan["at_once"], start) if any(run.is_timed for run in left) else None
    return StudyStatus(config.status, plan["command"], runs, seconds, plan["further_rounds"])


def _run_status(run: Mapping[str, Any], tracked: Mapping[str, TrackedRun]) -> RunStatus:
    places = [StagePlace(stage["kind"], stage["fingerprint"], stage["artifacts"]) for stage in run["stages"]]
    state, reason = state_of_run(places, tracked)
    shares = [place.share_done() for place in places]
    flops = [stage["flops"] or 0.0 for stage in run["stages"]]
    weights = flops if sum(flops) else [1.0] * len(flops)
    share = 1.0 if state is State.DONE else sum(w * s for w, s in zip(weights, shares, strict=True)) / sum(weights)
    stages = zip(run["stages"], shares, strict=True)
    left = [] if state in ENDED else [(stage, 1 - done) for stage, done in stages if done < 1]
    return RunStatus(
        run["name"],
        run.get("round", 0),  # older plans do not have it
        state,
        reason,
        share,
        scores_of(places),
        sum((stage["flops"] or 0.0) * part for stage, part in left if not stage["shared"]),
        [(stage["fingerprint"], (stage["seconds"] or 0.0) * part) for stage, part in left],
        all(stage["seconds"] is not None for stage, _ in left),
    )


def scores_of(places: list[StagePlace]) -> dict[str, float]:
    """Return the scores of the last stages that have any, from their metrics or their curves so far."""
    scores: dict[str, float] = {}
    for place in reversed(places):
        points = [*place.history(), place.metrics()]
        for name in SCORES:
            measured = [point[name] for point in points if name in point]
            if measured:
                scores.setdefault(name, measured[-1])
    return scores
