"""The report of a replay: printed, and written as figure, CSV and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.sweeps.active.figure import TITLES, replay_chart
from openr1.sweeps.active.replay import ReplayResult, read_pool, run_replay
from openr1.sweeps.active.tables import print_replay
from openr1.system.terminal import console as console_of

if TYPE_CHECKING:
    from openr1.sweeps.active.config import PlanConfig


def replay(config: PlanConfig, command: str) -> ReplayResult:
    """Replay the table of the config, print the result, and write it."""
    pool = read_pool(config.law, config.replay)
    console = console_of()
    with console_of(stderr=True).status("") as status:
        result = run_replay(pool, config.sweep, config.replay, status.update)
    print_replay(result, config, console)
    console.print(f"results: {write_replay(result, config, command)}", soft_wrap=True)
    return result


def write_replay(result: ReplayResult, config: PlanConfig, command: str) -> Path:
    """Write ``replay.csv``, with a row for each chooser, seed and share; ``replay.json``; and the figure.

    :returns: their directory.
    """
    from openr1.analysis.charts.matplotlib import draw, to_bytes

    directory = config.directory
    directory.mkdir(parents=True, exist_ok=True)
    result.steps.to_csv(directory / "replay.csv", index=False)
    summary = {
        "command": command,
        "law": config.law.name,
        "runs": len(result.pool.runs),
        "targets": len(result.pool.targets),
        "flops": float(result.pool.costs.sum()),
        "sweep": asdict(config.sweep),
        "replay": asdict(config.replay),
        "full": result.full,
        "median": {name: json.loads(result.median(name).to_json(orient="index")) for name in TITLES},
        "as_good_from": {name: result.reached(name, name) for name in TITLES},
        "as_good_as_the_fit_to_all_from": {name: result.reached(name, "law") for name in TITLES},
    }
    (directory / "replay.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    figure = draw(replay_chart(result))
    (directory / "replay.svg").write_bytes(to_bytes(figure, "svg"))
    (directory / "replay.png").write_bytes(to_bytes(figure, "png"))
    return directory
