"""``openr1-plan status=NAME``: how far a study is, from its ``plan.json``, its artifacts and what is tracked of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from openr1.console import console as console_of
from openr1.console import print_table
from openr1.tracking.mlflow import TrackedRun
from sweeps.cost.measured import tracked_runs
from sweeps.cost.schedule import schedule
from sweeps.status import plan_file
from sweeps.status.config import StatusConfig
from sweeps.status.states import Place, State, latest, state_of

ENDED = (State.DONE, State.FAILED, State.PRUNED)
SCORES = ("eval_loss", "pass_at_1")  # of a run; the lowest of the first is best, or the highest of the second


@dataclass(frozen=True)
class Row:
    """One run of a study.

    :ivar share: of its work that is done.
    :ivar scores: the last that it measured, by the names of :data:`SCORES`.
    :ivar left: FLOPs to do, as far as they are known; 0 of what failed.
    :ivar parts: names and seconds of what is to do, as :func:`sweeps.cost.schedule.schedule` takes them.
    :ivar known: the time of all of it is known.
    """

    name: str
    round: int
    state: State
    reason: str
    share: float
    scores: dict[str, float]
    left: float
    parts: list[tuple[str, float]]
    known: bool


@dataclass(frozen=True)
class Status:
    """
    :ivar command: what goes on with the study.
    :ivar seconds: to the end of the last run; None where the time of none of them is known.
    """

    study: str
    command: str
    rows: list[Row]
    seconds: float | None
    further: bool

    def count(self, state: State) -> int:
        return sum(row.state is state for row in self.rows)

    @property
    def ended(self) -> bool:
        return all(row.state in ENDED for row in self.rows)

    @property
    def best(self) -> tuple[Row, str] | None:
        """The best run that is done, and by which score."""
        for score, choose in zip(SCORES, (min, max), strict=True):
            done = [row for row in self.rows if row.state is State.DONE and score in row.scores]
            if done:
                return choose(done, key=lambda row: row.scores[score]), score
        return None


def look(config: StatusConfig) -> Status:
    """
    :raises ConfigError: where there is no plan of the study.
    """
    plan = plan_file.read(config.paths, config.status)
    tracked = latest(tracked_runs(config.tracking, config.status))
    rows = [_row(run, tracked) for run in plan["runs"]]
    todo = sorted((row for row in rows if row.state not in ENDED), key=lambda row: (row.round, row.state is not State.RUNNING))
    start = 0.0 if any(row.state is State.RUNNING for row in rows) else plan["worker_start_seconds"]
    rounds = [[row.parts for row in runs] for _, runs in groupby(todo, key=lambda row: row.round)]
    seconds = schedule(rounds, plan["at_once"], start) if any(row.known for row in todo) else None
    return Status(config.status, plan["command"], rows, seconds, plan["further_rounds"])


def _row(run: Mapping[str, Any], tracked: Mapping[str, TrackedRun]) -> Row:
    places = [Place(stage["kind"], stage["fingerprint"], stage["artifacts"]) for stage in run["stages"]]
    state, reason = state_of(places, tracked)
    shares = [place.share_done() for place in places]
    stages = list(zip(run["stages"], places, shares, strict=True))
    costs = [stage["flops"] or 0.0 for stage in run["stages"]]
    weights = costs if sum(costs) else [1.0] * len(costs)
    share = 1.0 if state is State.DONE else sum(w * s for w, s in zip(weights, shares, strict=True)) / sum(weights)
    todo = [] if state in ENDED else [one for one in stages if one[2] < 1]
    return Row(
        run["name"],
        run.get("round", 0),  # which older plans do not have
        state,
        reason,
        share,
        _scores(places),
        sum((stage["flops"] or 0.0) * (1 - share) for stage, _, share in todo if not stage["shared"]),
        [(stage["fingerprint"], (stage["seconds"] or 0.0) * (1 - share)) for stage, _, share in todo],
        all(stage["seconds"] is not None for stage, _, _ in todo),
    )


def _scores(places: list[Place]) -> dict[str, float]:
    """Of the last stages that have any: of an evaluation, or of the curves so far."""
    found: dict[str, float] = {}
    for place in reversed(places):
        points = [*place.history(), place.metrics()]
        for name in SCORES:
            measured = [point[name] for point in points if name in point]
            if measured:
                found.setdefault(name, measured[-1])
    return found


def watch(config: StatusConfig) -> None:
    """Print how far a study is; on a terminal again and again, until it is at its end or someone has seen enough.

    :raises ConfigError: where there is no plan of the study.
    """
    console = console_of()
    if "search" in plan_file.read(config.paths, config.status):
        from sweeps.optuna.status import read_search_status as status_of
        from sweeps.optuna.status import search_status_table as table
    else:
        from sweeps.status.table import status_table as table

        status_of = look
    found = status_of(config)
    if config.once or not console.is_terminal:
        title, shown, lines = table(found, None)
        console.print(title, soft_wrap=True, markup=False)
        print_table(shown, console)
        for line in lines:
            console.print(line, soft_wrap=True, markup=False)
        return

    def live_table() -> Group:
        title, shown, lines = table(found, console.height)
        return Group(Text(title), shown, *(Text(line, overflow="fold") for line in lines))

    try:
        with Live(live_table(), console=console, auto_refresh=False) as live:
            while not found.ended:
                time.sleep(config.seconds)
                found = status_of(config)
                live.update(live_table(), refresh=True)
    except KeyboardInterrupt:
        return
