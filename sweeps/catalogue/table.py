"""The studies of an outputs folder as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from openr1.sweeps.catalogue.entries import WAITING, Catalogue, StudyEntry
from openr1.sweeps.cost.table import format_bytes, format_duration

HEADS = ("study", "runs", "FLOPs", "best", "age", "size", "")
ORDER = ("finished", "running", "failed", "killed", "pruned", WAITING)


def studies_table(catalogue: Catalogue, archived: bool) -> tuple[Table, list[str]]:
    """Return the table of the studies, those that changed last first, and lines below it.

    :param archived: show archived studies too.
    """
    entries = list(catalogue.studies.values())
    shown = [entry for entry in entries if archived or entry.change or not entry.archived]
    oldest = datetime.fromtimestamp(0, UTC)
    shown.sort(key=lambda entry: entry.changed or oldest, reverse=True)
    notes = {entry.name: "archived" if entry.archived else "" for entry in shown}
    notes |= {entry.name: f"{entry.change.action} interrupted" for entry in shown if entry.change}
    heads = HEADS if any(notes.values()) else HEADS[:-1]
    table = Table(box=SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, justify="right" if head in ("FLOPs", "age", "size") else "left", no_wrap=head != "study")
    for entry in shown:
        table.add_row(*[*_cells(catalogue, entry), notes[entry.name]][: len(heads)])
    return table, _lines(shown, len(entries) - len(shown))


def states_text(states: Mapping[str, int]) -> str:
    """Return the number of runs by state in words."""
    known = [state for state in ORDER if states.get(state)] + sorted(set(states) - set(ORDER))
    return ", ".join(f"{states[state]} {state}" for state in known) or "none"


def _cells(catalogue: Catalogue, entry: StudyEntry) -> list[str]:
    flops, best, changed = entry.flops, entry.best, entry.changed
    return [
        escape(entry.name),
        states_text(entry.states),
        f"{flops:.3g}" if flops else "",
        f"{best[0]} {best[1]:.4f}" if best else "",
        format_duration((datetime.now(UTC) - changed).total_seconds()) if changed else "",
        format_bytes(catalogue.size(entry)),
    ]


def _lines(shown: list[StudyEntry], hidden: int) -> list[str]:
    changes = [entry.change for entry in shown if entry.change]
    lines = [f"{change.action} of {change.name} was interrupted; go on with: {change.command}" for change in changes]
    if hidden:
        lines.append(f"{hidden} archived stud{'ies are' if hidden > 1 else 'y is'} not shown; archived=true shows all")
    return lines
