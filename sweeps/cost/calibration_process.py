"""One process of a calibration (:mod:`openr1.sweeps.cost.calibration`): waits for the others, then times each model's steps."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import yaml

from openr1.config.load import load_run_config
from openr1.config.schema import Config
from openr1.runs.prepare import prepare
from openr1.runs.stage_run import run_in_process, silence_third_party, stage_context
from openr1.stages import stage_module
from openr1.sweeps.cost.calibration import Calibration
from openr1.system.files import write_json
from openr1.system.interrupts import end_with_parent
from openr1.tracking import mlflow as tracking

WAIT_SECONDS = 120.0  # for the other processes


class Untracked:
    """A run that is not tracked."""

    run_id = ""

    def log(self, metrics: dict[str, float], step: int) -> None: ...

    def flush(self) -> None: ...


def time_steps(config: Config, folder: Path) -> dict[str, float]:
    """Train, and return the pace of training and of evaluation in seconds for each FLOP; the first quarter does not count."""
    folder.mkdir()
    untracked = cast(tracking.Run, Untracked())
    metrics = run_in_process(stage_context(prepare(config), folder, untracked), quiet=True)
    rows: list[dict[str, Any]] = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    first, *_, last = [row for row in rows if "train_loss" in row]
    pace = (last["seconds"] - first["seconds"]) / (last["flops"] - first["flops"])
    return {"pace": pace, "eval_pace": metrics["eval_seconds"] / metrics["flops_eval"]}


def main() -> None:
    end_with_parent()
    folder, number, processes, begun = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    silence_third_party()
    tracking.preload()
    configs = [load_run_config(config) for config in yaml.safe_load_all((folder / "configs.yaml").read_text())]
    for config in configs:
        stage_module(config.stage.kind)
    start = time.time() - begun
    (folder / f"{number}.ready").touch()
    until = time.monotonic() + WAIT_SECONDS
    while len(list(folder.glob("*.ready"))) < processes and time.monotonic() < until:
        time.sleep(0.05)
    for i, config in enumerate(configs):
        calibration = Calibration(start=start, **time_steps(config, folder / f"run-{number}-{i}"))
        write_json(folder / f"{number}.{i}.json", asdict(calibration))


if __name__ == "__main__":
    main()
