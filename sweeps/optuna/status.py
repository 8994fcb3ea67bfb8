"""``openr1-plan status=NAME`` for a search: its last trials, its best one, and what is to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from openr1.sweeps.cost.table import REASONS, format_duration
from openr1.sweeps.optuna.plan import read_trial_counts
from openr1.sweeps.optuna.trial_counts import TrialCounts, failure_reason
from openr1.sweeps.optuna.worker import describe_params
from openr1.sweeps.status import plan_file
from openr1.sweeps.status.config import StatusConfig

SHOWN = 10  # trials, of those that have ended
COLOURS = {TrialState.COMPLETE: "green", TrialState.FAIL: "red", TrialState.PRUNED: "yellow", TrialState.RUNNING: "cyan"}


@dataclass(frozen=True)
class SearchStatus:
    """The progress of a search.

    :ivar search: its entry in ``plan.json``.
    :ivar command: which resumes it.
    """

    search: Mapping[str, Any]
    command: str
    at_once: int
    counts: TrialCounts

    @property
    def remaining(self) -> int:
        return max(0, self.search["n_trials"] - len(self.counts.ended))

    @property
    def ended(self) -> bool:
        return self.remaining == 0

    @property
    def best(self) -> FrozenTrial | None:
        """The best feasible trial, by the first objective."""
        direction = next(iter(self.search["objective"].values()))
        feasible = [trial for trial in self.counts.completed if all(excess <= 0 for excess in trial.constraints.values())]
        choose = min if direction == "minimize" else max
        return choose(feasible, key=lambda trial: trial.values[0], default=None)


def read_search_status(config: StatusConfig) -> SearchStatus:
    """Read the plan of a search and the trials in its storage.

    :raises ConfigError: where there is no plan of the study, or its storage cannot be opened.
    """
    plan = plan_file.read(config.paths, config.status)
    search = plan["search"]
    counts = read_trial_counts(config.storage or search["storage"], search["name"])
    return SearchStatus(search, plan["command"], plan["at_once"], counts or TrialCounts([]))


def search_status_table(status: SearchStatus, height: int | None) -> tuple[str, Table, list[str]]:
    """Return a title, the table of the last trials, and the lines below it.

    :param height: of the terminal; the table fits any.
    """
    by_state = ", ".join(f"{count} {state}" for state, count in status.counts.by_state().items())
    objective = next(iter(status.search["objective"]))
    title = f"{status.search['name']}: {status.search['n_trials']} trials, {by_state or 'none begun'}"
    table = Table(box=SIMPLE_HEAD)
    for head in ("trial", "state", objective, "params"):
        table.add_column(head, justify="right" if head in ("trial", objective) else "left", no_wrap=head != "params")
    for trial in (*status.counts.ended[-SHOWN:], *status.counts.running):
        steps = trial.intermediate_values
        value = trial.values[0] if trial.values else steps[max(steps)] if steps else None
        state = f"[{COLOURS[trial.state]}]{trial.state.name.lower()}[/]"
        table.add_row(str(trial.number), state, "" if value is None else f"{value:.6g}", escape(describe_params(trial)))
    return title, table, _lines(status, objective)


def _lines(status: SearchStatus, objective: str) -> list[str]:
    lines = []
    if status.best:
        lines.append(f"best: trial {status.best.number}, {objective} {status.best.values[0]:.6g}")
    if status.remaining:
        price = status.search.get("trial", {}).get("mean")
        to_come = f"{status.remaining} trials to come"
        if price:
            to_come += f", about {status.remaining * price['flops']:.3g} FLOPs"
        if price and price["seconds"] is not None:
            seconds = status.remaining * price["seconds"] / min(status.at_once, status.remaining)
            to_come += f" and {format_duration(seconds)}"
        lines.append(to_come)
        if not status.counts.running:
            lines.append(plan_file.resume_hint(status.command))
    failed = status.counts.failed
    lines += [f"failed: trial {trial.number}: {failure_reason(trial)}" for trial in failed[:REASONS]]
    return lines + ([f"… and {len(failed) - REASONS} more"] if len(failed) > REASONS else [])
