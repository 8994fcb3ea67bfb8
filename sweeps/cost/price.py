"""Prices of runs before they start: memory, time, FLOPs, GPU hours and money of the work that is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from openr1.config.schema import Config
from openr1.distributed.launcher import is_distributed
from openr1.distributed.options import ComputeConfig
from openr1.runs.prepare import PreparedRun
from openr1.sweeps.config import SweepConfig
from openr1.sweeps.cost.calibration import calibrate, stages_to_calibrate, worker_start
from openr1.sweeps.cost.measured import measurements_of
from openr1.sweeps.cost.memory import peak_memory
from openr1.sweeps.cost.schedule import schedule
from openr1.sweeps.cost.speed import SpeedModel, Timing
from openr1.sweeps.limits.amount import Amount, run_amount, total
from openr1.sweeps.planning.plan import PlannedRun, distinct_stages
from openr1.sweeps.planning.states import StagePlace, State, state_of_run
from openr1.sweeps.planning.tracked_runs import latest_by_fingerprint, read_tracked_runs
from openr1.tracking.mlflow import hardware

CALIBRATION_SHARE = 0.05  # of the FLOPs of a study, that a calibration may take where no limit needs it


@dataclass(frozen=True)
class StagePrice:
    """Price of one stage of a run.

    :ivar timing: of the whole stage; None where it cannot be predicted.
    :ivar left: the share of the stage that is still to do.
    :ivar amount: of what is still to do; an unknown part counts as 0.
    :ivar memory: bytes of one device, an estimate; None where it is not known.
    :ivar shared: a run before this one makes the stage, and has its price.
    """

    stage: PreparedRun
    timing: Timing | None
    left: float
    amount: Amount
    memory: float | None
    shared: bool = False

    @property
    def seconds(self) -> float | None:
        """Time of what is still to do; None where it is not known."""
        if self.left == 0:
            return 0.0
        return None if self.timing is None else self.left * self.timing.seconds


@dataclass(frozen=True)
class RunPrice:
    """Price of one run.

    :ivar stages: of the run, in order; a stage that several runs share has its price in the first of them.
    :ivar reason: why the run failed or was pruned, where it did.
    """

    run: PlannedRun
    stages: list[StagePrice]
    state: State
    reason: str = ""

    @property
    def is_unfinished(self) -> bool:
        return any(stage.left for stage in self.stages)

    @property
    def unfinished(self) -> set[str]:
        """Fingerprints of the stages that are still to do."""
        return {stage.stage.fingerprint for stage in self.stages if stage.left}

    @property
    def amount(self) -> Amount:
        """Amount of what is still to do."""
        return total(stage.amount for stage in self.stages)

    @property
    def whole(self) -> Amount:
        """Amount of the unfinished stages, with the part that is done."""
        return total(stage.amount.scaled(1 / stage.left) for stage in self.stages if stage.left)

    @property
    def seconds(self) -> float | None:
        """Time of what is still to do, without stages shared with a run before; None where some of it is not known."""
        times = [stage.seconds for stage in self.stages]
        return sum(time for time in times if time is not None) if None not in times else None

    @property
    def parts(self) -> list[tuple[str, float]]:
        """The artifact that each stage makes, and its seconds; 0 where they are not known."""
        return [(stage.stage.artifact_name, stage.seconds or 0.0) for stage in self.stages]

    @property
    def memory(self) -> float | None:
        """Memory of the stage that needs most."""
        return max((stage.memory for stage in self.stages if stage.memory is not None), default=None)

    @property
    def sources(self) -> list[str]:
        """The sources of its expected times."""
        return sorted({stage.timing.source for stage in self.stages if stage.timing and stage.left})


@dataclass(frozen=True)
class StudyPrice:
    """Price of a study.

    :ivar rounds: the runs of each round, which begins when the one before has ended.
    :ivar at_once: number of runs side by side.
    :ivar start: seconds that a process takes before its first run.
    """

    rounds: list[list[RunPrice]]
    hardware: str
    at_once: int
    start: float

    @property
    def runs(self) -> list[RunPrice]:
        return [run for runs in self.rounds for run in runs]

    @property
    def amount(self) -> Amount:
        return total(run.amount for run in self.runs)

    @property
    def unfinished(self) -> list[RunPrice]:
        return [run for run in self.runs if run.is_unfinished]

    @property
    def is_timed(self) -> bool:
        """True if the time of any stage is known."""
        return any(stage.seconds for run in self.runs for stage in run.stages)

    @property
    def unknown(self) -> list[str]:
        """Kinds of stages whose time is not known."""
        return sorted({stage.stage.config.stage.kind for run in self.runs for stage in run.stages if stage.seconds is None})

    @property
    def seconds(self) -> float:
        """Time from the start of the first process to the end of the last run, as far as times are known."""
        return schedule([[run.parts for run in runs if run.is_unfinished] for runs in self.rounds], self.at_once, self.start)


def times_are_needed(sweep: SweepConfig, computes: Iterable[ComputeConfig]) -> bool:
    """Return whether times must be known before the start: a limit is in hours or money, and the devices have a cost."""
    costly = any(compute.device == "cuda" or compute.price_per_hour for compute in computes)
    return costly and (sweep.allowance.limits_time or (sweep.ask_above.limits_time and not sweep.confirm))


def price_study(
    rounds: Sequence[Sequence[PlannedRun]], sweep: SweepConfig, at_once: int, needed: bool, say: Callable[[str], None]
) -> StudyPrice:
    """Price the planned runs of a study.

    :param rounds: the runs of each round.
    :param needed: whether times must be known. Otherwise a calibration is made only where it is cheap beside the study.
    :param say: prints a line about what takes a while.
    :raises ConfigError: for a tracking store that cannot be opened.
    """
    runs = [run for planned in rounds for run in planned]
    config, here = runs[0].config, hardware()
    target, at_once = sweep.hardware or here, max(1, min(at_once, sum(not run.is_done() for run in runs)))
    speed, cache = SpeedModel(measurements_of(config.tracking, target), target, at_once), Path(config.paths.cache)
    if target == here:
        stages = distinct_stages(runs)
        whole = sum((stage.estimate.flops_new or 0.0) * (1 - stage.share_done()) for stage in stages)
        most = (math.inf if needed else CALIBRATION_SHARE * whole) if sweep.calibrate else 0.0
        calibrations = calibrate(stages_to_calibrate(stages, speed), speed, cache, most, say)
        speed = SpeedModel([*speed.measurements, *calibrations], target, at_once)
    studies = {run.config.study for run in runs}
    tracked = {study: latest_by_fingerprint(read_tracked_runs(config.tracking, study)) for study in studies}
    seen: set[str] = set()

    def price_run(run: PlannedRun) -> RunPrice:
        stages = []
        for stage in run.stages:
            price = _price_stage(stage, speed)
            shared = stage.artifact_name in seen
            stages.append(replace(price, amount=Amount(), left=0.0, shared=True) if shared else price)
            seen.add(stage.artifact_name)
        return RunPrice(run, stages, *state_of_run([_place(stage) for stage in run.stages], tracked[run.config.study]))

    return StudyPrice([[price_run(run) for run in planned] for planned in rounds], target, at_once, worker_start(cache))


def _price_stage(stage: PreparedRun, speed: SpeedModel) -> StagePrice:
    left, estimate, config = 1 - stage.share_done(), stage.estimate, stage.config
    timing = speed.timing(config, estimate)
    seconds = timing.seconds if timing else 0.0
    return StagePrice(
        stage,
        timing,
        left,
        run_amount((estimate.flops_new or 0.0) * left, seconds * left, _devices(config)),
        peak_memory(config, estimate),
    )


def _devices(config: Config) -> ComputeConfig:
    """Return the devices of a stage: one that is not distributed has one process, whatever ``compute.processes`` is."""
    return config.compute if is_distributed(config) else replace(config.compute, processes=1)


def _place(stage: PreparedRun) -> StagePlace:
    return StagePlace(stage.config.stage.kind, stage.fingerprint, stage.config.paths.artifacts)
