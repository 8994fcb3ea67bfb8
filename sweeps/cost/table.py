"""The price of a study as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from openr1.runs.prepare import PreparedRun
from openr1.sweeps.cost.price import RunPrice, StudyPrice
from openr1.sweeps.cost.speed import CALIBRATED, DISSIMILAR
from openr1.sweeps.planning.plan import distinct_stages
from openr1.sweeps.planning.states import State
from openr1.system.terminal import WIDEST, print_table

COLOURS = {State.DONE: "green", State.FAILED: "red", State.PRUNED: "yellow", State.RUNNING: "cyan"}
WORK = ("N", "D", "D/N", "C", "steps", "lr")
HEADS = ("run", *WORK, "answers", "stages", "memory", "time", "cost", "state")
DISPENSABLE = ("D/N", "lr")  # left out where a terminal is too narrow for all
REASONS = 5  # failures that are shown with their reasons


def show_price(price: StudyPrice, console: Console) -> None:
    """Print N, D, C, memory, time, cost and state of every run, and the sum of what is left."""
    console.print(_title(price), soft_wrap=True)
    rows = [_row(run) for run in price.runs]
    several = any(len(run.run.stages) > 1 for run in price.runs)
    heads = [head for head in HEADS if any(row[head] for row in rows) and (several or head != "stages")]
    table = _table(heads, rows)
    if console.is_terminal and Measurement.get(console, console.options.update(width=WIDEST), table).maximum > console.width:
        table = _table([head for head in heads if head not in DISPENSABLE], rows)
    print_table(table, console)
    for line in _lines(price):
        console.print(line, soft_wrap=True)


def _table(heads: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, justify="left" if head in ("run", "state") else "right", no_wrap=head != "run")
    for row in rows:
        table.add_row(*(row[head] for head in heads))
    return table


def _row(price: RunPrice) -> dict[str, str]:
    """Return the cells of a run by their heads; an unknown value is empty."""
    stages = price.run.stages
    answers = sum(stage.estimate.units or 0 for stage in stages if not stage.config.stage.trains)
    return dict(zip(WORK, _work_cells(price.run.main), strict=True)) | {
        "run": escape(price.run.name),
        "answers": f"{answers:,}" if answers else "",
        "stages": f"{sum(stage.artifact() is not None for stage in stages)}/{len(stages)}",
        "memory": format_bytes(price.memory),
        "time": _time(price),
        "cost": f"{price.amount.money:.2f}" if price.amount.money else "",
        "state": state_cell(price.state, price.run.share_done()),
    }


def _title(price: StudyPrice) -> str:
    runs, stages = price.runs, distinct_stages(run.run for run in price.runs)
    left = {trains: sum(_left(stage) for stage in stages if stage.config.stage.trains == trains) for trains in (True, False)}
    words = [f"{left[True]:.3g} training FLOPs"] if any(stage.config.stage.trains for stage in stages) else []
    words += [f"at most {left[False]:.3g} FLOPs of answers"] if any(not s.config.stage.trains for s in stages) else []
    title = (
        f"{len(runs)} run{'s' * (len(runs) != 1)}, {sum(run.run.is_done() for run in runs)} done; {' and '.join(words)} to go"
    )
    if any(len(run.run.stages) > 1 for run in runs):
        title += f" in {len(stages)} stages, {sum(stage.artifact() is not None for stage in stages)} done"
    if any(stage.estimate.flops is None and not stage.artifact() for stage in stages):
        title += "; stages that depend on data that are not made yet, or on an unknown model, are not counted"
    return title


def _lines(price: StudyPrice) -> list[str]:
    """Return lines about the sum of what is left, the sources of its times, and the runs that failed."""
    lines = []
    if price.unfinished:
        amount, unknown = price.amount, price.unknown
        words = [f"about {format_duration(price.seconds)}, {price.at_once} at once"] if price.is_timed else []
        words += [f"{amount.gpu_hours:.3g} GPU hours"] if amount.gpu_hours else []
        words += [f"cost {amount.money:.2f}"] if amount.money else []
        if unknown:
            words.append(f"the time of {', '.join(unknown)} is not known{' and not counted' if price.is_timed else ''}")
        lines.append(f"{'; '.join(words)} on {escape(price.hardware)}")
        sources = {source for run in price.runs for source in run.sources}
        if sources:
            note = f"Times are from {' and '.join(sorted(sources))}"
            note += ", the most similar that were measured" if DISSIMILAR in sources else ""
            note += "; a calibration is of a few steps" if CALIBRATED in sources else ""
            lines.append(f"{note}. Memory is an estimate.")
    if any(run.run.main.estimate.flops_new != run.run.main.estimate.flops for run in price.runs):
        lines.append("A branch's C includes FLOPs inherited from its trunk; totals count new FLOPs only.")
    failed = [run for run in price.runs if run.reason]
    lines += [f"{run.state}: {escape(run.run.name)}: {escape(run.reason)}" for run in failed[:REASONS]]
    return lines + ([f"… and {len(failed) - REASONS} more"] if len(failed) > REASONS else [])


def state_cell(state: State, share: float) -> str:
    """Format a state, with the share that is done of a run that has not ended."""
    word = f"{state}" if state in COLOURS else ""
    if state is not State.DONE and share > 0:
        word = f"{word or 'partly done'} {100 * min(share, 0.99):.0f} %"
    return f"[{COLOURS[state]}]{word}[/]" if state in COLOURS else word


def format_bytes(value: float | None) -> str:
    """Format bytes in decimal units; empty where they are not known."""
    if value is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def format_duration(seconds: float) -> str:
    """Format seconds in the unit that suits them."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _time(price: RunPrice) -> str:
    if not price.is_unfinished:
        return ""
    known = sum(stage.seconds or 0.0 for stage in price.stages)
    if price.seconds is None:
        return f"> {format_duration(known)}" if known else ""
    return format_duration(known)


def _left(stage: PreparedRun) -> float:
    return (stage.estimate.flops_new or 0.0) * (1 - stage.share_done())


def _work_cells(stage: PreparedRun) -> tuple[str, ...]:
    """Return N, D, D/N, C, steps and lr; empty where they are not known."""
    estimate = stage.estimate
    if not stage.config.stage.trains:
        return (_number(estimate.params), "", "", "" if estimate.flops is None else f"≤{estimate.flops:.3g}", "", "")
    if estimate.budget is None or estimate.tokens is None or not estimate.params:
        return (_number(estimate.params), "", "", "", "", "")
    return (
        _number(estimate.params),
        _number(estimate.tokens),
        f"{estimate.tokens / estimate.params:.3g}",
        f"{estimate.flops:.3g}",
        f"{estimate.budget.steps:,}",
        f"{estimate.budget.lr:.2g}",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
