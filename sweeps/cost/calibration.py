"""A short calibration: a few real training steps of some of the models of a study, as many side by side as the study has."""

from __future__ import annotations

import json
import os
import shutil
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
from filelock import FileLock

from openr1.config.schema import Config, to_dict
from openr1.data.hashing import digest
from openr1.distributed.launcher import is_distributed
from openr1.errors import ConfigError
from openr1.files import write_json
from openr1.runs.fingerprint import artifacts, with_local_checkpoint
from openr1.runs.plan import PlannedStage
from sweeps.cost.conditions import STEPPED
from sweeps.cost.measured import Measurement
from sweeps.cost.speed import Speed

FOLDER = "calibrations"
WORKER_SECONDS = 12.0  # for a fresh process to import torch, transformers and MLflow, before it was measured
SIZES = 3  # models of a study that are timed: the smallest, the largest, and one between
LIMIT_SECONDS = 180.0  # after which what is not timed stays unknown
# FLOPs of about three seconds of training
FLOPS = {"cpu": 1.5e11, "cuda": 3e14}
STEPS = (16, 160)  # at least and at most; the first quarter is left out
EVALUATED = 8192  # held-out tokens


@dataclass(frozen=True)
class Calibration:
    """
    :ivar start: seconds from the start of a process to its first training step's, all of them starting together.
    :ivar pace, eval_pace: seconds for each FLOP.
    """

    start: float
    pace: float
    eval_pace: float


def chosen(stages: Sequence[PlannedStage], speed: Speed) -> list[PlannedStage]:
    """Of the stages to be made, those to time: the smallest, middle and largest model of each kind of stage that nothing is
    known of, and that can be begun now."""
    groups: dict[Any, dict[int, PlannedStage]] = {}
    for stage in stages:
        config, estimate = stage.config, stage.estimate
        ready = config.stage.kind in STEPPED and estimate.budget is not None and not is_distributed(config) and _there(config)
        if ready and stage.artifact() is None and not speed.covers(config, estimate):
            groups.setdefault(speed.conditions(config, estimate), {}).setdefault(estimate.params, stage)
    found = []
    for by_size in groups.values():
        sizes = sorted(by_size)
        places = {0, len(sizes) // 2, len(sizes) - 1} if len(sizes) >= SIZES else range(len(sizes))
        found += [by_size[sizes[place]] for place in sorted(places)]
    return found


def _there(config: Config) -> bool:
    try:
        artifacts(config)
        return True
    except ConfigError:  # an earlier step of the recipe makes it
        return False


def calibrated(
    stages: Sequence[PlannedStage], speed: Speed, cache: Path, most: float, say: Callable[[str], None]
) -> list[Measurement]:
    """What some stages measured, from the cache where they were timed before.

    :param most: FLOPs that may be spent on timing those that are not in it.
    :param say: told what takes a while.
    :param cache: a folder; without what is in its ``calibrations`` everything is timed again.
    """
    folder = cache / FOLDER
    places = {_path(folder, stage, speed): stage for stage in stages}
    fresh = _not_there(places)
    if fresh and speed.at_once * sum(_steps(stage) * _flops_a_step(stage) for stage in fresh.values()) <= most:
        say(f"timing a few steps of {len(fresh)} models, {speed.at_once} at once")
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # workers that begin together time once, and do not slow each other down
            fresh = _not_there(places)
            timed = _timed([shortened(stage) for stage in fresh.values()], speed.at_once, say) if fresh else []
            for path, result in zip(fresh, timed, strict=True):
                if result is not None:
                    write_json(path, asdict(result))
    results = {path: _read(path) for path in places if path.exists()}
    return [
        Measurement(
            speed.conditions(places[path].config, places[path].estimate),
            places[path].estimate.params or 0,
            result.pace,
            result.eval_pace,
            calibrated=True,
        )
        for path, result in results.items()
    ]


def _not_there(places: Mapping[Path, PlannedStage]) -> dict[Path, PlannedStage]:
    return {path: stage for path, stage in places.items() if not path.exists()}


def _read(path: Path) -> Calibration:
    return Calibration(**json.loads(path.read_text()))


def worker_start(cache: Path) -> float:
    """Seconds that a process of a study takes before its first run, the median of all calibrations."""
    found = [_read(path).start for path in (cache / FOLDER).glob("*.json")]
    return statistics.median(found) if found else WORKER_SECONDS


def _path(folder: Path, stage: PlannedStage, speed: Speed) -> Path:
    about = {**asdict(speed.conditions(stage.config, stage.estimate)), "shape": asdict(stage.estimate.shape)}
    return folder / f"{digest(about)[:16]}.json"


def shortened(stage: PlannedStage) -> Config:
    """The config of a stage for a few steps, each as the stage's own."""
    config, budget = with_local_checkpoint(stage.config), stage.estimate.budget
    given = dict.fromkeys(asdict(config.budget)) | {"steps": float(_steps(stage))}
    apart = {"keep_states": [], "trunk": None} if config.stage.kind == "pretrain" else {}  # what so short a run cannot have
    return replace(
        config,
        budget=replace(config.budget, **given),
        # so small a rate that nothing diverges: the speed does not depend on it
        optim=replace(config.optim, batch_tokens=budget.batch_tokens, lr=1e-6, warmup_tokens=None),
        data=replace(config.data, eval_tokens=max(config.data.context, min(EVALUATED, config.data.eval_tokens))),
        stage=replace(config.stage, eval_points=1, log_points=4, eval_every_tokens=None, **apart),
        compute=replace(config.compute, checkpoint_minutes=None, checkpoint_steps=None),
    )


def _steps(stage: PlannedStage) -> int:
    compute = stage.config.compute
    flops = FLOPS[compute.device] * max(1, compute.threads or 1)
    return round(min(max(flops / _flops_a_step(stage), STEPS[0]), STEPS[1]))


def _flops_a_step(stage: PlannedStage) -> float:
    return stage.estimate.budget.flops / stage.estimate.budget.steps


def _timed(configs: Sequence[Config], at_once: int, say: Callable[[str], None]) -> list[Calibration | None]:
    """Every process trains every model; of each the mean. None for one that no process has come to the end of."""
    folder = Path(tempfile.mkdtemp(prefix="openr1-calibration-"))
    (folder / "configs.yaml").write_text(yaml.safe_dump_all([to_dict(config) for config in configs], sort_keys=False))
    env = dict(os.environ)
    if at_once > 1:
        env.setdefault("OMP_NUM_THREADS", "1")  # as sweeps.study.process_pool does
    processes = []
    for i in range(at_once):
        with (folder / f"{i}.log").open("w") as log:
            command = [
                sys.executable,
                "-m",
                "sweeps.cost.calibration_process",
                str(folder),
                str(i),
                str(at_once),
                str(time.time()),
            ]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=env))
    until = time.monotonic() + LIMIT_SECONDS
    try:
        for process in processes:
            process.wait(timeout=max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass  # what was timed so far counts
    finally:
        for process in processes:
            process.kill()
            process.wait()
    results = [_mean([Calibration(**json.loads(path.read_text())) for path in folder.glob(f"*.{n}.json")])
               for n in range(len(configs))]  # fmt: skip
    if None in results:
        said = [line for line in (folder / "0.log").read_text().splitlines() if line.strip()]
        say(f"not timed: {said[-1] if said else f'it takes more than {LIMIT_SECONDS:.0f} s'}")
    shutil.rmtree(folder)
    return results


def _mean(found: Sequence[Calibration]) -> Calibration | None:
    if not found:
        return None
    return Calibration(*(statistics.mean(values) for values in zip(*(asdict(one).values() for one in found), strict=True)))
