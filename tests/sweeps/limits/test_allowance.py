"""Allowances, and the confirmation of a price above one."""

import pytest

from openr1.sweeps.config import SweepConfig
from openr1.sweeps.limits.allowance import Allowance, require_confirmation
from openr1.sweeps.limits.amount import Amount
from openr1.sweeps.limits.spend_limit import SpendLimit
from openr1.system.errors import ConfigError


def test_a_price_above_the_limit_needs_confirmation():
    ask_above = Allowance(gpu_hours=8.0)
    require_confirmation(Amount(gpu_hours=8.0, flops=1e30), ask_above, confirmed=False)
    with pytest.raises(ConfigError, match=r"^sweep\.confirm: this takes 9 gpu hours of 8 that .* sweep.confirm=true$"):
        require_confirmation(Amount(gpu_hours=9.0), ask_above, confirmed=False)
    require_confirmation(Amount(gpu_hours=9.0), ask_above, confirmed=True)


def test_shipped_sweeps_ask_above_eight_gpu_hours():
    assert SweepConfig().ask_above == Allowance(gpu_hours=8.0)


def test_a_spend_limit_counts_spent_and_expected_amounts():
    limit = SpendLimit(Allowance(flops=30.0, money=1.0))
    assert limit.is_set
    assert not SpendLimit(Allowance()).is_set
    assert limit.excess(Amount(10.0), [Amount(10.0), Amount(10.0)]) is None
    assert limit.excess(Amount(10.0), [Amount(10.0), Amount(20.0)]) == "40 flops of 30"
    assert limit.excess(Amount(money=1.5), []) == "1.5 money of 1"
    assert SpendLimit(Allowance()).excess(Amount(1e30), []) is None


def test_a_limit_at_or_below_zero_is_refused():
    with pytest.raises(ConfigError, match=r"^sweep\.allowance\.money: must be above 0"):
        SweepConfig(allowance=Allowance(money=0.0))
