"""The replay of active choice, in the terminal and in files: table, figure, CSV and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from analysis.text import DASH, percent, scientific
from openr1.terminal import console as console_of
from openr1.terminal import print_table
from sweeps.active.figure import NAMES, TITLES, chart
from sweeps.active.replay import Replayed, pool_of, replayed

if TYPE_CHECKING:
    from sweeps.config import PlanConfig


def replay(config: PlanConfig, command: str) -> Replayed:
    """Replay the table of the config, print what was found, and write it."""
    pool = pool_of(config.law, config.replay)
    console = console_of()
    with console_of(stderr=True).status("") as status:
        found = replayed(pool, config.sweep, config.replay, status.update)
    show(found, config, console)
    console.print(f"results: {write(found, config, command)}", soft_wrap=True)
    return found


def show(found: Replayed, config: PlanConfig, console: Console) -> None:
    """Print the median error of each rule at each share, and the share at which it is that of the full table."""
    pool = found.pool
    console.print(
        f"[bold]{Path(config.replay.path).stem}[/]: {len(pool.runs)} runs of {scientific(pool.costs.sum())} FLOPs to choose from, "
        f"{len(pool.targets)} targets; law: {config.law.name}; {config.replay.seeds} seeds",
        soft_wrap=True,
    )
    for prediction, title in TITLES.items():
        median, reached = found.median(prediction), found.reached(prediction, prediction)
        against_fit = found.reached(prediction, "law")
        caption = f"all runs: {percent(found.full[prediction])}"
        table = Table(title=f"{title}; {caption}", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("chosen", no_wrap=True)
        heads = [f"{share:.3g} %" for share in 100 * median.columns]
        for head in (*heads, "as good from", *(["as the fit to all from"] if prediction != "law" else [])):
            table.add_column(head, justify="right")
        for name, row in median.iterrows():
            ends = [reached[name], *([against_fit[name]] if prediction != "law" else [])]
            table.add_row(NAMES[name], *map(percent, row), *map(_share, ends))
        print_table(table, console)
    console.print(
        "Median over seeds of the mean relative error at the targets, by the share of the FLOPs that may be used; "
        "as good: at most 1.1 times the error of all runs, from there on.",
        soft_wrap=True,
    )


def write(found: Replayed, config: PlanConfig, command: str) -> Path:
    """Write ``replay.csv``, a row a chooser, seed and share; ``replay.json``; and the figure. Their directory."""
    from analysis.plots import draw, png, svg

    directory = config.directory
    directory.mkdir(parents=True, exist_ok=True)
    found.steps.to_csv(directory / "replay.csv", index=False)
    summary = {
        "command": command,
        "law": config.law.name,
        "runs": len(found.pool.runs),
        "targets": len(found.pool.targets),
        "flops": float(found.pool.costs.sum()),
        "sweep": asdict(config.sweep),
        "replay": asdict(config.replay),
        "full": found.full,
        "median": {name: json.loads(found.median(name).to_json(orient="index")) for name in TITLES},
        "as_good_from": {name: found.reached(name, name) for name in TITLES},
        "as_good_as_the_fit_to_all_from": {name: found.reached(name, "law") for name in TITLES},
    }
    (directory / "replay.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    figure = draw(chart(found))
    (directory / "replay.svg").write_bytes(svg(figure))
    (directory / "replay.png").write_bytes(png(figure))
    return directory


def _share(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.3g} %"
