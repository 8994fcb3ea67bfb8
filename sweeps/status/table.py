"""How far a study is, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from sweeps.cost.table import REASONS, duration, state_cell
from sweeps.status.states import State
from sweeps.status.status import SCORES, Row, Status

ORDER = (
    State.RUNNING,
    State.FAILED,
    State.STOPPED,
    State.PRUNED,
    State.DONE,
    State.WAITING,
)  # what is shown where not all fits
BESIDE = 12  # lines around the rows
BAR = 12  # characters


def status_table(found: Status, height: int | None) -> tuple[str, Table, list[str]]:
    """The runs, and what is to be said above and below them.

    :param height: lines of the terminal; None for as many as it takes, without bars.
    """
    shown = rows_that_fit(found.rows, None if height is None else max(4, height - BESIDE - REASONS))
    scores = [name for name in SCORES if any(name in row.scores for row in found.rows)]
    table = Table(box=SIMPLE_HEAD)
    bars = [""] if height is not None else []
    for head in ("run", "state", *bars, *scores, "left"):
        table.add_column(head, justify="left" if head in ("run", "state", "") else "right", no_wrap=head != "run")
    for row in shown:
        table.add_row(
            escape(row.name),
            state_cell(row.state, row.share) if row.state is not State.STOPPED else f"stopped {100 * row.share:.0f} %",
            *(ProgressBar(total=1.0, completed=row.share, width=BAR) for _ in bars),
            *(f"{row.scores[name]:.4f}" if name in row.scores else "" for name in scores),
            duration(sum(seconds for _, seconds in row.parts)) if row.parts and row.known else "",
        )
    more = len(found.rows) - len(shown)
    return _title(found), table, ([f"… and {more} others"] if more else []) + lines(found)


def rows_that_fit(rows: Sequence[Row], most: int | None) -> list[Row]:
    """The rows that say most, in their order."""
    if most is None or len(rows) <= most:
        return list(rows)
    kept = sorted(range(len(rows)), key=lambda i: (ORDER.index(rows[i].state), i))[:most]
    return [rows[i] for i in sorted(kept)]


def _title(found: Status) -> str:
    total = len(found.rows)
    counts = [f"{found.count(state)} {state or 'waiting'}" for state in State if found.count(state) and state is not State.DONE]
    return f"{found.study}: {found.count(State.DONE)} of {total} runs done{''.join(f', {one}' for one in counts)}"


def lines(found: Status) -> list[str]:
    """The best run, what is left, and why runs failed."""
    said = []
    if found.best:
        row, score = found.best
        said.append(f"best: {row.name}, {score} {row.scores[score]:.4f}")
    if not found.ended:
        left = f"{sum(row.left for row in found.rows):.3g} FLOPs to go"
        unknown = any(not row.known for row in found.rows)
        if found.seconds is not None:
            left += f", about {duration(found.seconds)}" + (" and what nobody knows the time of" if unknown else "")
        said.append(left)
        if not found.count(State.RUNNING):
            said.append(f"nobody is at it; {found.command.replace('openr1-plan', 'openr1 -m', 1)} goes on")
    elif found.further:
        said.append("further runs may follow, which depend on the results")
    failed = [row for row in found.rows if row.reason]
    said += [f"{row.state}: {row.name}: {row.reason}" for row in failed[:REASONS]]
    return said + ([f"… and {len(failed) - REASONS} more"] if len(failed) > REASONS else [])
