"""A short calibration: times a few training steps of some models of a study, with as many processes as the study has."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from openr1.config.schema import Config, to_dict
from openr1.data.hashing import digest
from openr1.distributed.launcher import is_distributed
from openr1.runs.inputs import input_artifacts, with_local_checkpoint
from openr1.runs.prepare import PreparedRun
from openr1.sweeps.cost.conditions import STEPPED
from openr1.sweeps.cost.measured import Measurement
from openr1.sweeps.cost.speed import SpeedModel
from openr1.sweeps.planning.concurrency import limit_threads
from openr1.system.errors import ConfigError
from openr1.system.files import locked
from openr1.system.records import read_sealed, write_sealed
from openr1.training.budget import TokenBudget

FOLDER = "calibrations"
START_SECONDS = 12.0  # of a process that imports torch, transformers and MLflow, where it was not measured
SIZES = 3  # models of a study that are timed: the smallest, the largest, and one between
LIMIT_SECONDS = 180.0  # after which a model that was not timed stays unknown
# FLOPs of about three seconds of training
FLOPS = {"cpu": 1.5e11, "cuda": 3e14}
STEPS = (16, 160)  # least and most; the first quarter is not counted
EVAL_TOKENS = 8192  # held-out tokens


@dataclass(frozen=True)
class Calibration:
    """Measured times of one model.

    :ivar start: seconds from the start of a process to its first training step, where all processes start together.
    :ivar pace: seconds for each FLOP of training.
    :ivar eval_pace: seconds for each FLOP of evaluation.
    """

    start: float
    pace: float
    eval_pace: float


def stages_to_calibrate(stages: Sequence[PreparedRun], speed: SpeedModel) -> list[PreparedRun]:
    """Choose the stages to time: of each kind of stage whose speed is not known, the smallest, middle and largest model.

    A stage whose inputs are not made yet cannot be timed.
    """
    groups: dict[Any, dict[int, PreparedRun]] = {}
    for stage in stages:
        config, estimate = stage.config, stage.estimate
        known = config.stage.kind in STEPPED and isinstance(estimate.budget, TokenBudget)
        ready = known and not is_distributed(config) and _has_inputs(config)
        if ready and stage.artifact() is None and not speed.covers(config, estimate):
            groups.setdefault(speed.conditions(config, estimate), {}).setdefault(estimate.params or 0, stage)
    chosen = []
    for by_size in groups.values():
        sizes = sorted(by_size)
        places = {0, len(sizes) // 2, len(sizes) - 1} if len(sizes) >= SIZES else range(len(sizes))
        chosen += [by_size[sizes[place]] for place in sorted(places)]
    return chosen


def _has_inputs(config: Config) -> bool:
    try:
        input_artifacts(config)
        return True
    except ConfigError:  # an earlier step of the recipe makes it
        return False


def calibrate(
    stages: Sequence[PreparedRun], speed: SpeedModel, cache: Path, most: float, say: Callable[[str], None]
) -> list[Measurement]:
    """Measure the speed of some stages, or read it from the cache where they were timed before.

    :param cache: a folder, whose ``calibrations`` hold the results.
    :param most: FLOPs that may be spent on stages that are not in the cache.
    :param say: prints a line about what takes a while.
    """
    folder = cache / FOLDER
    places = {_path(folder, stage, speed): stage for stage in stages}
    fresh = _uncached(places)
    if fresh and speed.at_once * sum(_steps(stage) * _flops_a_step(stage) for stage in fresh.values()) <= most:
        say(f"timing a few steps of {len(fresh)} model{'s' * (len(fresh) != 1)}, {speed.at_once} at once")
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):  # commands that start together time once, and do not slow each other down
            fresh = _uncached(places)
            timed = _time_steps([shortened(stage) for stage in fresh.values()], speed.at_once, say) if fresh else []
            for path, result in zip(fresh, timed, strict=True):
                if result is not None:
                    write_sealed(path, asdict(result))
    calibrations = {path: calibration for path in places if (calibration := _read(path))}
    return [
        Measurement(
            speed.conditions(places[path].config, places[path].estimate),
            places[path].estimate.params or 0,
            calibration.pace,
            calibration.eval_pace,
            calibrated=True,
        )
        for path, calibration in calibrations.items()
    ]


def _uncached(places: Mapping[Path, PreparedRun]) -> dict[Path, PreparedRun]:
    return {path: stage for path, stage in places.items() if not _read(path)}


def _read(path: Path) -> Calibration | None:
    """Read a calibration; None if there is none, or the file was changed."""
    values = read_sealed(path)
    return Calibration(**values) if values else None


def worker_start(cache: Path) -> float:
    """Return the seconds that a process of a study takes before its first run, the median of all calibrations."""
    starts = [calibration.start for path in (cache / FOLDER).glob("*.json") if (calibration := _read(path))]
    return statistics.median(starts) if starts else START_SECONDS


def _path(folder: Path, stage: PreparedRun, speed: SpeedModel) -> Path:
    key = {**asdict(speed.conditions(stage.config, stage.estimate)), "shape": asdict(_budget_of(stage).shape)}
    return folder / f"{digest(key)[:16]}.json"


def shortened(stage: PreparedRun) -> Config:
    """Return the config of a stage with few steps, each like those of the stage."""
    config, budget = with_local_checkpoint(stage.config), _budget_of(stage)
    amounts: dict[str, Any] = dict.fromkeys(asdict(config.budget)) | {"steps": float(_steps(stage))}
    points: dict[str, Any] = {"eval_points": 1, "log_points": 4, "eval_every_tokens": None}
    if config.stage.kind == "pretrain":
        points |= {"keep_states": [], "trunk": None}  # so short a run has no states to keep, and starts from none
    return replace(
        config,
        budget=replace(config.budget, **amounts),
        # the rate is too small to diverge, and the speed does not depend on it
        optim=replace(config.optim, batch_tokens=budget.batch_tokens, lr=1e-6, warmup_tokens=None),
        data=replace(config.data, eval_tokens=max(config.data.context, min(EVAL_TOKENS, config.data.eval_tokens))),
        stage=replace(config.stage, **points),
        compute=replace(config.compute, checkpoint_minutes=None, checkpoint_steps=None),
    )


def _steps(stage: PreparedRun) -> int:
    compute = stage.config.compute
    flops = FLOPS[compute.device] * max(1, compute.threads or 1)
    return round(min(max(flops / _flops_a_step(stage), STEPS[0]), STEPS[1]))


def _flops_a_step(stage: PreparedRun) -> float:
    budget = _budget_of(stage)
    return budget.flops / budget.steps


def _budget_of(stage: PreparedRun) -> TokenBudget:
    """Return the budget of a stage that trains in steps."""
    budget = stage.estimate.budget
    if not isinstance(budget, TokenBudget):
        raise TypeError(f"stage={stage.config.stage.kind} has no steps of training")
    return budget


def _time_steps(configs: Sequence[Config], at_once: int, say: Callable[[str], None]) -> list[Calibration | None]:
    """Train every model in every process; return the means, and None for a model that no process has finished."""
    with tempfile.TemporaryDirectory(prefix="openr1-calibration-", ignore_cleanup_errors=True) as folder:
        return _time_steps_in(Path(folder), configs, at_once, say)


def _time_steps_in(
    folder: Path, configs: Sequence[Config], at_once: int, say: Callable[[str], None]
) -> list[Calibration | None]:
    (folder / "configs.yaml").write_text(yaml.safe_dump_all([to_dict(config) for config in configs], sort_keys=False))
    env = dict(os.environ)
    if at_once > 1:
        limit_threads(env)
    processes = []
    for i in range(at_once):
        with (folder / f"{i}.log").open("w") as log_file:
            command = [
                sys.executable,
                "-m",
                "openr1.sweeps.cost.calibration_process",
                str(folder),
                str(i),
                str(at_once),
                str(time.time()),
            ]
            processes.append(subprocess.Popen(command, stdout=log_file, stderr=log_file, env=env))
    until = time.monotonic() + LIMIT_SECONDS
    try:
        for process in processes:
            process.wait(timeout=max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass  # the models timed so far count
    finally:
        for process in processes:
            process.kill()
            process.wait()
    results = [_mean([Calibration(**json.loads(path.read_text())) for path in folder.glob(f"*.{n}.json")])
               for n in range(len(configs))]  # fmt: skip
    if None in results:
        log_lines = [line for line in (folder / "0.log").read_text().splitlines() if line.strip()]
        say(f"not timed: {log_lines[-1] if log_lines else f'it takes more than {LIMIT_SECONDS:.0f} s'}")
    return results


def _mean(calibrations: Sequence[Calibration]) -> Calibration | None:
    if not calibrations:
        return None
    columns = zip(*(asdict(calibration).values() for calibration in calibrations), strict=True)
    return Calibration(*(statistics.mean(values) for values in columns))
