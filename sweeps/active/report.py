"""The replay of active choice: printed, and written as figure, CSV and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.console import console as console_of
from sweeps.active.figure import TITLES, chart
from sweeps.active.replay import Replayed, pool_of, replayed
from sweeps.active.show import show_replay

if TYPE_CHECKING:
    from sweeps.commands.propose import PlanConfig


def replay(config: PlanConfig, command: str) -> Replayed:
    """Replay the table of the config, print what was found, and write it."""
    pool = pool_of(config.law, config.replay)
    console = console_of()
    with console_of(stderr=True).status("") as status:
        found = replayed(pool, config.sweep, config.replay, status.update)
    show_replay(found, config, console)
    console.print(f"results: {write(found, config, command)}", soft_wrap=True)
    return found


def write(found: Replayed, config: PlanConfig, command: str) -> Path:
    """Write ``replay.csv``, a row a chooser, seed and share; ``replay.json``; and the figure. Their directory."""
    from analysis.charts.matplotlib import draw, png, svg

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
