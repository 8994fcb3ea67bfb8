"""The price of a study."""

from dataclasses import replace

from helpers.configs import composed

from sweeps.config import SweepConfig
from sweeps.cost.price import times_are_needed
from sweeps.limits.allowance import Allowance


def test_times_are_needed_where_a_limit_is_in_hours_that_cost():
    processor = composed().compute
    gpu, paid = replace(processor, device="cuda"), replace(processor, price_per_hour=1.0)
    assert not times_are_needed(SweepConfig(), [processor])
    assert times_are_needed(SweepConfig(), [processor, gpu])
    assert not times_are_needed(SweepConfig(confirm=True), [gpu])
    assert times_are_needed(SweepConfig(confirm=True, allowance=Allowance(money=3.0)), [paid])
