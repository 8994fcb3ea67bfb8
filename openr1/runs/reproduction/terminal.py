"""A reproduction on the terminal: what differs before it, its figures, and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from openr1.runs.reproduction.comparison import Comparison
from openr1.runs.reproduction.rerun import PlannedRerun
from openr1.system.terminal import print_table

MOST_PACKAGES = 10  # lines of packages that differ, before the rest is only counted
NOTHING = "nothing differs: commit, packages, data, hardware and threads are those of the original"


def show_plan(plan: PlannedRerun, console: Console) -> None:
    """Print what is rerun, what overrides change, and what else differs."""
    for line in plan.changed:
        console.print(f"override  {line}", soft_wrap=True, markup=False)
    show_differences(list(map(str, plan.differences)), console)


def show_differences(differences: Sequence[str], console: Console) -> None:
    """Print what differs, a line each; of many packages only the first."""
    packages = [line for line in differences if line.startswith("package: ")]
    hidden = set(packages[MOST_PACKAGES:])
    for line in differences:
        if line not in hidden:
            console.print(f"differs   {line}", soft_wrap=True, markup=False)
    if hidden:
        console.print(f"differs   and {len(hidden)} further packages", soft_wrap=True)
    if not differences:
        console.print(NOTHING, soft_wrap=True)


def show_figures(comparison: Comparison, console: Console) -> None:
    """Print every figure of a run in a table for each stage."""
    for stage in comparison.stages:
        table = Table(title=f"{stage.name or stage.kind} of {escape(comparison.name)}", title_justify="left")
        for head in ("figure", "original", "now", ""):
            table.add_column(head, justify="left" if head in ("figure", "") else "right")
        for figure in stage.figures:
            table.add_row(figure.name, _value(figure.original), _value(figure.now), str(figure))
        said = {True: "same to the bit", False: "not the same to the bit", None: "not known of the original"}
        table.add_row(stage.content, "", "", said[stage.content_is_same])
        print_table(table, console)


def show_verdict(comparison: Comparison, console: Console) -> None:
    """Print how much is the same."""
    console.print(f"{comparison.name}: {comparison.verdict()}", soft_wrap=True, markup=False)
    if comparison.config and not comparison.is_same:
        console.print("Overrides were given, so that figures may differ: this is no failure.", soft_wrap=True)


def show_study(name: str, comparisons: Sequence[Comparison], console: Console) -> None:
    """Print one line for each run of a study."""
    table = Table(title=f"reproduction of {escape(name)}", title_justify="left")
    for head in ("run", "figures", "the same", "largest difference", "weights or data"):
        table.add_column(head, justify="right" if head in ("figures", "the same") else "left")
    for one in comparisons:
        if one.failure:
            table.add_row(escape(one.name), "", "", escape(one.verdict()), "")
            continue
        largest = one.largest
        contents = {stage.content_is_same for stage in one.stages}
        content = "differ" if False in contents else "not known" if None in contents else "same to the bit"
        count = one.figures - len(one.differing)
        text = f"{largest.name} {largest}" if largest else "none"
        table.add_row(escape(one.name), str(one.figures), str(count), text, content)
    print_table(table, console)
    same = sum(one.is_same for one in comparisons)
    console.print(f"{name}: {same} of {len(comparisons)} runs are the same to the bit", soft_wrap=True, markup=False)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
