"""The price of runs before they are made: memory, time, FLOPs, hours of devices and money, of what is still to do."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig

from openr1.config.schema import Config
from openr1.distributed.options import ComputeConfig
from openr1.runs.prepare import PreparedRun
from openr1.tracking.mlflow import hardware
from sweeps.config import SweepConfig
from sweeps.cost.calibration import calibrated, chosen, worker_start
from sweeps.cost.measured import earlier, tracked_runs
from sweeps.cost.memory import memory
from sweeps.cost.schedule import schedule
from sweeps.cost.speed import Speed, Timing
from sweeps.limits.amount import Amount, of_run, total
from sweeps.planning.plan import PlannedRun, distinct
from sweeps.status.states import Place, State, latest, state_of

LITTLE = 0.05  # share of the FLOPs of a study that a calibration may take where no limit needs it


@dataclass(frozen=True)
class StagePrice:
    """
    :ivar timing: of the whole stage; None where nobody knows.
    :ivar left: the share of it that is still to do.
    :ivar amount: of what is to do; what of it is not known is 0.
    :ivar memory: bytes of one device, an estimate; None where nobody knows.
    :ivar shared: a run before this one makes it, and has its price.
    """

    stage: PreparedRun
    timing: Timing | None
    left: float
    amount: Amount
    memory: float | None
    shared: bool = False

    @property
    def seconds(self) -> float | None:
        """Of what is to do."""
        if self.left == 0:
            return 0.0
        return None if self.timing is None else self.left * self.timing.seconds


@dataclass(frozen=True)
class RunPrice:
    """
    :ivar stages: all that it is made of; one that several runs share has its price in the first of them.
    :ivar reason: why it came to nothing, where it did.
    """

    run: PlannedRun
    stages: list[StagePrice]
    state: State
    reason: str = ""

    @property
    def todo(self) -> bool:
        return any(stage.left for stage in self.stages)

    @property
    def amount(self) -> Amount:
        return total(stage.amount for stage in self.stages)

    @property
    def whole(self) -> Amount:
        """Of the stages that are not made, with what was done of them."""
        return total(stage.amount.scaled(1 / stage.left) for stage in self.stages if stage.left)

    @property
    def seconds(self) -> float | None:
        """Of what is to do, without what it shares with a run before it; None where not all of it is known."""
        found = [stage.seconds for stage in self.stages]
        return None if None in found else sum(found)

    @property
    def parts(self) -> list[tuple[str, float]]:
        """What is made, and the seconds that it takes as far as they are known."""
        return [(stage.stage.artifact_name, stage.seconds or 0.0) for stage in self.stages]

    @property
    def memory(self) -> float | None:
        """Of the stage that needs most."""
        return max((stage.memory for stage in self.stages if stage.memory is not None), default=None)

    @property
    def sources(self) -> list[str]:
        return sorted({stage.timing.source for stage in self.stages if stage.timing and stage.left})


@dataclass(frozen=True)
class StudyPrice:
    """
    :ivar rounds: the runs of each, which begins when that before it has ended.
    :ivar at_once: runs side by side.
    :ivar start: seconds of a worker before its first run.
    """

    rounds: list[list[RunPrice]]
    hardware: str
    at_once: int
    start: float

    @property
    def runs(self) -> list[RunPrice]:
        return [run for one in self.rounds for run in one]

    @property
    def amount(self) -> Amount:
        return total(run.amount for run in self.runs)

    @property
    def todo(self) -> list[RunPrice]:
        return [run for run in self.runs if run.todo]

    @property
    def timed(self) -> bool:
        """Whether any time is known."""
        return any(one.seconds for run in self.runs for one in run.stages)

    @property
    def unknown(self) -> list[str]:
        """Kinds of stages whose time nobody knows."""
        return sorted({one.stage.config.stage.kind for run in self.runs for one in run.stages if one.seconds is None})

    @property
    def seconds(self) -> float:
        """From the start of the first worker to the end of the last run, as far as times are known."""
        return schedule([[run.parts for run in one if run.todo] for one in self.rounds], self.at_once, self.start)


def price(
    rounds: Sequence[Sequence[PlannedRun]], sweep: SweepConfig, at_once: int, needed: bool, say: Callable[[str], None]
) -> StudyPrice:
    """What runs that are planned will take.

    :param rounds: those of each.
    :param needed: whether times must be known. Otherwise what no earlier run says the speed of is timed only where that is
        little beside the whole.
    :param say: told what takes a while.
    :raises ConfigError: for a tracking store that cannot be opened.
    """
    runs = [run for one in rounds for run in one]
    config, here = runs[0].config, hardware()
    where, at_once = sweep.hardware or here, max(1, min(at_once, sum(run.share_done() < 1 for run in runs)))
    speed, cache = Speed(earlier(config.tracking, where), where, at_once), Path(config.paths.cache)
    if where == here:
        stages = distinct(runs)
        whole = sum((stage.estimate.flops_new or 0.0) * (1 - stage.share_done()) for stage in stages)
        most = (math.inf if needed else LITTLE * whole) if sweep.calibrate else 0.0
        found = calibrated(chosen(stages, speed), speed, cache, most, say)
        speed = Speed([*speed.measurements, *found], where, at_once)
    tracked = {study: latest(tracked_runs(config.tracking, study)) for study in {run.config.study for run in runs}}
    seen: set[str] = set()

    def of(run: PlannedRun) -> RunPrice:
        stages = []
        for stage in run.stages:
            one = _priced(stage, speed)
            again = stage.artifact_name in seen
            stages.append(replace(one, amount=Amount(), left=0.0, shared=True) if again else one)
            seen.add(stage.artifact_name)
        return RunPrice(run, stages, *state_of([place(stage) for stage in run.stages], tracked[run.config.study]))

    return StudyPrice([[of(run) for run in one] for one in rounds], where, at_once, worker_start(cache))


def _priced(stage: PreparedRun, speed: Speed) -> StagePrice:
    left, estimate, config = 1 - stage.share_done(), stage.estimate, stage.config
    timing = speed.timing(config, estimate)
    seconds = timing.seconds if timing else 0.0
    return StagePrice(
        stage,
        timing,
        left,
        of_run((estimate.flops_new or 0.0) * left, seconds * left, _devices(config)),
        memory(config, estimate),
    )


def _devices(config: Config) -> ComputeConfig:
    """Stages that do not spread run on one process, whatever ``compute.processes`` is."""
    return config.compute if config.stage.multiprocess else replace(config.compute, processes=1)


def place(stage: PreparedRun) -> Place:
    return Place(stage.config.stage.kind, stage.fingerprint, stage.config.paths.artifacts)


def side_by_side(config: DictConfig) -> int:
    """Runs that the launcher of a composed config has at once."""
    launcher = config.hydra.launcher
    for key in ("n_jobs", "array_parallelism"):
        if launcher.get(key) is not None:
            return processes(int(launcher[key]))
    if "ray" in str(launcher.get("_target_", "")):
        return max(1, int((launcher.get("ray") or {}).get("init", {}).get("num_cpus") or os.cpu_count() or 1))
    return 1


def processes(n_jobs: int) -> int:
    """What joblib makes of its ``n_jobs``."""
    return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)
