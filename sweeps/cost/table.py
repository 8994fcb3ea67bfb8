"""The price of a study on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from openr1.console import WIDEST, print_table
from openr1.runs.prepare import PreparedRun
from sweeps.cost.price import RunPrice, StudyPrice
from sweeps.cost.speed import CALIBRATED, NEAREST
from sweeps.planning.plan import distinct
from sweeps.status.states import State

COLOURS = {State.DONE: "green", State.FAILED: "red", State.PRUNED: "yellow", State.RUNNING: "cyan"}
WORK = ("N", "D", "D/N", "C", "steps", "lr")
HEADS = ("run", *WORK, "answers", "stages", "memory", "time", "cost", "state")
DISPENSABLE = ("D/N", "lr")  # where a terminal is too narrow for all
REASONS = 5  # failures that are told with their reasons


def show_price(found: StudyPrice, console: Console) -> None:
    """Print N, D, C, memory, time and cost of every run, what has become of it, and the sum that is left."""
    console.print(_title(found), soft_wrap=True)
    rows = [_row(one) for one in found.runs]
    several = any(len(one.run.stages) > 1 for one in found.runs)
    heads = [head for head in HEADS if any(row[head] for row in rows) and (several or head != "stages")]
    table = _table(heads, rows)
    if console.is_terminal and Measurement.get(console, console.options.update(width=WIDEST), table).maximum > console.width:
        table = _table([head for head in heads if head not in DISPENSABLE], rows)
    print_table(table, console)
    for line in lines(found):
        console.print(line, soft_wrap=True)


def _table(heads: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, justify="left" if head in ("run", "state") else "right", no_wrap=head != "run")
    for row in rows:
        table.add_row(*(row[head] for head in heads))
    return table


def _row(one: RunPrice) -> dict[str, str]:
    """The cells of a run by their heads; empty where there is nothing to say."""
    stages = one.run.stages
    answers = sum(stage.estimate.units or 0 for stage in stages if not stage.config.stage.trains)
    return dict(zip(WORK, _cells(one.run.main), strict=True)) | {
        "run": escape(one.run.name),
        "answers": f"{answers:,}" if answers else "",
        "stages": f"{sum(stage.artifact() is not None for stage in stages)}/{len(stages)}",
        "memory": bytes_of(one.memory),
        "time": _time(one),
        "cost": f"{one.amount.money:.2f}" if one.amount.money else "",
        "state": state_cell(one.state, one.run.share_done()),
    }


def _title(found: StudyPrice) -> str:
    runs, stages = found.runs, distinct(one.run for one in found.runs)
    left = {trains: sum(_left(stage) for stage in stages if stage.config.stage.trains == trains) for trains in (True, False)}
    words = [f"{left[True]:.3g} training FLOPs"] if any(stage.config.stage.trains for stage in stages) else []
    words += [f"at most {left[False]:.3g} FLOPs of answers"] if any(not s.config.stage.trains for s in stages) else []
    title = f"{len(runs)} runs, {sum(one.run.share_done() == 1 for one in runs)} done; {' and '.join(words)} to go"
    if any(len(one.run.stages) > 1 for one in runs):
        title += f" in {len(stages)} stages, {sum(stage.artifact() is not None for stage in stages)} done"
    if any(stage.estimate.flops is None and not stage.artifact() for stage in stages):
        title += "; what depends on data that are not made yet, or on a model that nobody knows, is not counted"
    return title


def lines(found: StudyPrice) -> list[str]:
    """What is left in sum, what that is known from, and what failed."""
    said = []
    if found.todo:
        amount, unknown = found.amount, found.unknown
        words = [f"about {duration(found.seconds)}, {found.at_once} at once"] if found.timed else []
        words += [f"{amount.gpu_hours:.3g} GPU hours"] if amount.gpu_hours else []
        words += [f"cost {amount.money:.2f}"] if amount.money else []
        if unknown:
            words.append(f"the time of {', '.join(unknown)} is not known{' and not counted' if found.timed else ''}")
        said.append(f"{'; '.join(words)} on {escape(found.hardware)}")
        sources = {source for one in found.runs for source in one.sources}
        if sources:
            note = f"Times are from {' and '.join(sorted(sources))}"
            note += ", the nearest that there are" if NEAREST in sources else ""
            said.append(f"{note}{'; a calibration is of a few steps' if CALIBRATED in sources else ''}. Memory is an estimate.")
    if any(one.run.main.estimate.flops_new != one.run.main.estimate.flops for one in found.runs):
        said.append("C of a branch has the part of its trunk in it, which the sum and the time have not.")
    failed = [one for one in found.runs if one.reason]
    said += [f"{one.state}: {escape(one.run.name)}: {escape(one.reason)}" for one in failed[:REASONS]]
    return said + ([f"… and {len(failed) - REASONS} more"] if len(failed) > REASONS else [])


def state_cell(state: State, share: float) -> str:
    """A state in words, with how far a run is that is not at its end."""
    word = f"{state}" if state in COLOURS else ""
    if state is not State.DONE and share > 0:
        word = f"{word or 'partly done'} {100 * min(share, 0.99):.0f} %"
    return f"[{COLOURS[state]}]{word}[/]" if state in COLOURS else word


def bytes_of(value: float | None) -> str:
    """In decimal units; empty where it is not known."""
    if value is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def duration(seconds: float) -> str:
    """In the unit that it is best read in."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _time(one: RunPrice) -> str:
    if not any(stage.left for stage in one.stages):
        return ""
    known = sum(stage.seconds or 0.0 for stage in one.stages)
    if one.seconds is None:
        return f"> {duration(known)}" if known else ""
    return duration(known)


def _left(stage: PreparedRun) -> float:
    return (stage.estimate.flops_new or 0.0) * (1 - stage.share_done())


def _cells(stage: PreparedRun) -> tuple[str, ...]:
    """N, D, D/N, C, steps and lr; empty where they are not known."""
    estimate = stage.estimate
    if not stage.config.stage.trains:
        return (_number(estimate.params), "", "", "" if estimate.flops is None else f"≤{estimate.flops:.3g}", "", "")
    if estimate.budget is None:
        return (_number(estimate.params), "", "", "", "", "")
    ratio = f"{estimate.tokens / estimate.params:.3g}"
    return (
        _number(estimate.params),
        _number(estimate.tokens),
        ratio,
        f"{estimate.flops:.3g}",
        f"{estimate.budget.steps:,}",
        f"{estimate.budget.lr:.2g}",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
