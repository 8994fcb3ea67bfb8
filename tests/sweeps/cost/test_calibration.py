"""The short runs that are timed."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from helpers.configs import composed

from openr1.runs.estimate import estimate_run
from openr1.sweeps.cost import calibration
from openr1.sweeps.cost.calibration import Calibration, calibrate, shortened
from openr1.sweeps.cost.speed import SpeedModel


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["stage.keep_states=[7e5]", "optim.warmup_tokens=5e5"],
        ["stage.trunk=pretrain-0123456789abcdef", "optim.warmup_tokens=5e5"],
        ["stage.eval_every_tokens=1e5", "budget.tokens=null", "budget.flops=3e11"],
    ],
)
def test_a_run_of_few_steps_is_as_the_stage_but_short(overrides):
    config = composed("budget.tokens=1e6", *overrides)
    estimate = estimate_run(config)
    short = estimate_run(shortened(SimpleNamespace(config=config, estimate=estimate)))
    assert short.budget.steps < estimate.budget.steps / 4
    assert short.budget.batch_tokens == estimate.budget.batch_tokens
    assert short.shape == estimate.shape
    assert short.first_step == 0


def test_workers_that_begin_together_time_once(tmp_path, monkeypatch):
    timed = []

    def of_processes(configs, at_once, say):
        timed.append(len(configs))
        time.sleep(0.2)
        return [Calibration(start=9.0, pace=1e-11, eval_pace=5e-12) for _ in configs]

    monkeypatch.setattr(calibration, "_time_steps", of_processes)
    configs = [composed("budget.tokens=1e6", f"scale={scale}") for scale in ("50k", "200k")]
    stages = [SimpleNamespace(config=config, estimate=estimate_run(config)) for config in configs]
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda _: calibrate(stages, SpeedModel([], "a processor", 1), tmp_path, math.inf, print), range(4))
        )
    assert timed == [2]
    assert [measurement.params for measurement in results[0]] == [stage.estimate.params for stage in stages]
    assert all(result == results[0] for result in results)
    assert calibration.worker_start(tmp_path) == 9.0


@pytest.mark.slow
def test_a_process_measures_the_pace_of_training_and_of_evaluation(tiny, tmp_path):
    from openr1.sweeps.cost.calibration_process import time_steps

    paces = time_steps(composed(*tiny), tmp_path / "run")
    assert paces["pace"] > 0
    assert paces["eval_pace"] > 0
