"""The status of a study as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from openr1.sweeps.cost.table import REASONS, format_duration, state_cell
from openr1.sweeps.planning.states import State
from openr1.sweeps.status.plan_file import resume_hint
from openr1.sweeps.status.study_status import SCORES, RunStatus, StudyStatus

# the states that are shown first where not all rows fit
ORDER = (State.RUNNING, State.FAILED, State.STOPPED, State.PRUNED, State.DONE, State.WAITING)
OTHER_LINES = 12  # above and below the rows
BAR = 12  # characters


def status_table(status: StudyStatus, height: int | None) -> tuple[str, Table, list[str]]:
    """Return a title, the table of the runs, and the lines below it.

    :param height: lines of the terminal; None for all runs, without bars.
    """
    shown = rows_that_fit(status.runs, None if height is None else max(4, height - OTHER_LINES - REASONS))
    scores = [name for name in SCORES if any(name in run.scores for run in status.runs)]
    table = Table(box=SIMPLE_HEAD)
    bars = [""] if height is not None else []
    for head in ("run", "state", *bars, *scores, "left"):
        table.add_column(head, justify="left" if head in ("run", "state", "") else "right", no_wrap=head != "run")
    for run in shown:
        table.add_row(
            escape(run.name),
            state_cell(run.state, run.share) if run.state is not State.STOPPED else f"stopped {100 * run.share:.0f} %",
            *(ProgressBar(total=1.0, completed=run.share, width=BAR) for _ in bars),
            *(f"{run.scores[name]:.4f}" if name in run.scores else "" for name in scores),
            format_duration(sum(seconds for _, seconds in run.parts)) if run.parts and run.is_timed else "",
        )
    hidden = len(status.runs) - len(shown)
    return _title(status), table, ([f"… and {hidden} others"] if hidden else []) + _lines(status)


def rows_that_fit(runs: Sequence[RunStatus], most: int | None) -> list[RunStatus]:
    """Choose the runs to show, in their order: those whose states come first in :data:`ORDER`."""
    if most is None or len(runs) <= most:
        return list(runs)
    kept = sorted(range(len(runs)), key=lambda i: (ORDER.index(runs[i].state), i))[:most]
    return [runs[i] for i in sorted(kept)]


def _title(status: StudyStatus) -> str:
    states = [state for state in State if status.count(state) and state is not State.DONE]
    counts = "".join(f", {status.count(state)} {state or 'waiting'}" for state in states)
    return f"{status.study}: {status.count(State.DONE)} of {len(status.runs)} runs done{counts}"


def _lines(status: StudyStatus) -> list[str]:
    """Return lines about the best run, what is left, and why runs failed."""
    lines = []
    if status.best:
        run, score = status.best
        lines.append(f"best: {run.name}, {score} {run.scores[score]:.4f}")
    if not status.ended:
        flops = sum(run.left for run in status.runs)
        left = f"{flops:.3g} FLOPs to go"
        if status.seconds is not None:
            left += f", about {format_duration(status.seconds)}"
            left += "" if all(run.is_timed for run in status.runs) else " without the stages of unknown time"
        if flops:  # known only from a plan
            lines.append(left)
        if not status.count(State.RUNNING):
            lines.append(resume_hint(status.command))
    elif status.adapts:
        lines.append("further runs may follow, which depend on the results")
    failed = [run for run in status.runs if run.reason]
    lines += [f"{run.state}: {run.name}: {run.reason}" for run in failed[:REASONS]]
    return lines + ([f"… and {len(failed) - REASONS} more"] if len(failed) > REASONS else [])
