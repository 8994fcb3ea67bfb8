"""Expected times from earlier runs that are made up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from helpers.configs import composed

from openr1.config.schema import to_dict
from openr1.options import flatten
from openr1.runs.estimate import estimate_run
from openr1.sweeps.cost import measured
from openr1.sweeps.cost.conditions import evaluation_flops, stage_conditions
from openr1.sweeps.cost.measured import Measurement, mean_loads, measurements_of
from openr1.sweeps.cost.speed import CALIBRATED, DISSIMILAR, EARLIER, SpeedModel
from openr1.tracking.mlflow import TrackedRun

HERE = "2 x a processor"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
RUN = ["budget.tokens=1e6", "stage.eval_points=2"]


def planned(*overrides):
    config = composed(*RUN, *overrides)
    return config, estimate_run(config)


def measurement(pace, *overrides, at_once=2, hardware=HERE, **given):
    config, estimate = planned(*overrides)
    return Measurement(stage_conditions(config, estimate, hardware, at_once), estimate.params, pace, **given)


def timing(measurements, *overrides, at_once=2):
    config, estimate = planned(*overrides)
    return SpeedModel(measurements, HERE, at_once).timing(config, estimate)


def test_a_time_is_work_by_pace_with_evaluations_and_overhead():
    config, estimate = planned("scale=50k")
    expected = timing([measurement(1e-11, "scale=50k", eval_pace=5e-12, overhead=3.0)], "scale=50k")
    assert expected.source == EARLIER
    assert expected.seconds == pytest.approx(1e-11 * estimate.flops + 5e-12 * evaluation_flops(config, estimate) + 3.0)


def test_a_branch_makes_the_evaluations_after_its_trunk():
    config, estimate = planned()
    branch, left = planned("stage.trunk=pretrain-0123456789abcdef", "optim.warmup_tokens=5e4")  # which has the second
    assert evaluation_flops(branch, left) == evaluation_flops(config, estimate) / 2 > 0


def test_a_size_between_two_that_were_measured_is_on_a_line_in_logarithms():
    ends = [measurement(4e-11, "scale=50k"), measurement(1e-11, "scale=200k")]
    config, estimate = planned("scale=100k")
    expected = SpeedModel(ends, HERE, 2).timing(config, estimate)
    each = (expected.seconds - 1.0) / (estimate.flops + evaluation_flops(config, estimate))
    assert each == pytest.approx(2e-11, rel=0.05)
    assert expected.source == EARLIER


@pytest.mark.slow
def test_runs_under_the_same_conditions_count_before_others():
    known = [measurement(1e-11), measurement(9e-11, "model=llama"), measurement(9e-11, at_once=1)]
    known += [measurement(9e-11, "compute.threads=2"), measurement(9e-11, hardware="another")]
    assert timing(known).seconds == timing(known[:1]).seconds
    assert timing(known[1:]).source == DISSIMILAR


def test_a_size_far_from_those_measured_is_said_to_be_dissimilar():
    assert timing([measurement(1e-11, "scale=30k")], "scale=1m").source == DISSIMILAR


@pytest.mark.parametrize("changed", ["compute.precision=bfloat16", "stage=sft", "compute.device=cuda"])
def test_nothing_is_said_of_another_stage_device_or_precision(changed):
    assert timing([measurement(1e-11)], changed, *(["data=sums"] if "sft" in changed else [])) is None


def test_earlier_runs_count_before_a_calibration_of_the_same_size():
    run, calibration = measurement(1e-11), replace(measurement(5e-11), calibrated=True)
    assert timing([run, calibration]) == timing([run])
    assert timing([calibration]).source == CALIBRATED
    # and both together tell of sizes between them
    assert timing([measurement(1e-11, "scale=50k"), replace(measurement(1e-11, "scale=200k"), calibrated=True)], "scale=200k")


def tracked(start, seconds, *overrides, status="FINISHED", **metrics):
    config, estimate = planned(*overrides)
    params = flatten({**to_dict(config), "budget.resolved": estimate.summary()})
    figures = {
        "tokens": estimate.tokens,
        "flops": estimate.flops,
        "wall_seconds": 20.0,
        "tokens_per_second": estimate.tokens / 20.0,
    }
    begin = BEGIN + timedelta(seconds=start)
    end = begin + timedelta(seconds=seconds)
    tags = {"stage": config.stage.kind, "hardware": HERE}
    text = {key: str(value) for key, value in params.items()}
    return TrackedRun(f"{start}", "", status, begin, end, tags, text, figures | metrics, None)


def test_measurements_come_from_tracked_runs(monkeypatch):
    runs = [
        tracked(0, 25.0, "scale=50k", eval_seconds=2.0, flops_eval=1e9),
        tracked(5, 25.0, "scale=100k"),
        tracked(8, 1.0, status="FAILED"),
    ]
    monkeypatch.setattr(measured, "read_tracked_runs", lambda tracking, **tags: runs)
    first, second = measurements_of(composed().tracking, HERE)
    config, estimate = planned("scale=50k")
    assert first.params == estimate.params
    assert first.pace == pytest.approx(20.0 / estimate.flops)
    assert first.eval_pace == pytest.approx(2e-9)
    assert first.overhead == pytest.approx(3.0)
    assert second.overhead is None  # its evaluations were not measured
    assert first.conditions.distance(stage_conditions(config, estimate, HERE, 2)) < 0.5


def test_load_is_the_mean_number_of_runs_under_way():
    runs = [tracked(0, 10.0), tracked(5, 10.0), tracked(40, 10.0)]
    assert mean_loads(runs) == pytest.approx([1.5, 1.5, 1.0])
