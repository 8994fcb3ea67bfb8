"""The price of a study."""

from dataclasses import replace

import pytest
from helpers.configs import composed

from openr1.sweeps.config import SweepConfig
from openr1.sweeps.cost.price import _devices, times_are_needed
from openr1.sweeps.limits.allowance import Allowance


def test_times_are_needed_where_a_limit_is_in_hours_that_cost():
    processor = composed().compute
    gpu, paid = replace(processor, device="cuda"), replace(processor, price_per_hour=1.0)
    assert not times_are_needed(SweepConfig(), [processor])
    assert times_are_needed(SweepConfig(), [processor, gpu])
    assert not times_are_needed(SweepConfig(confirm=True), [gpu])
    assert times_are_needed(SweepConfig(confirm=True, allowance=Allowance(money=3.0)), [paid])


@pytest.mark.parametrize(
    ("overrides", "processes"),
    [
        ([], 4),
        (["stage=evaluate", "data=sums", "model.checkpoint=sft-0123456789abcdef"], 4),
        (["stage=generate", "data=sums", "stage.teacher=oracle"], 1),
        (["stage=curate", "stage.inputs=[generate-0123456789abcdef]"], 1),
    ],
)
def test_a_stage_takes_the_devices_that_it_uses(overrides, processes):
    assert _devices(composed("compute=ddp", "compute.processes=4", *overrides)).processes == processes
