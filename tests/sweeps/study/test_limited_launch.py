"""Launches within an allowance, with a launcher that records its jobs."""

from types import SimpleNamespace

import pytest
from hydra.core.utils import JobReturn, JobStatus

from openr1.sweeps.limits.allowance import Allowance
from openr1.sweeps.limits.amount import Amount, total
from openr1.sweeps.limits.spend_limit import SpendLimit
from openr1.sweeps.study.limited_launch import LimitedLauncher

EACH = Amount(flops=10.0)


class BasicLauncher:
    """A launcher of runs that are expected to take ten FLOPs."""

    def __init__(self, costs):
        self.costs, self.spent = costs, {}

    def launch(self, jobs, first):
        self.spent |= {job[0]: self.costs[job[0]] for job in jobs}
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=job[0]) for job in jobs]


class Cluster(BasicLauncher):
    """A launcher of another machine."""


def launched(launcher, allowance, costs=None, before=0.0):
    names = ["a", "b", "c", "d"]
    launcher = launcher(costs or dict.fromkeys(names, 10.0))
    prices = {(name,): SimpleNamespace(amount=EACH, whole=EACH, unfinished={name}) for name in names}

    def spent(without):
        return total([Amount(before), *(Amount(cost) for name, cost in launcher.spent.items() if name not in without)])

    limited = LimitedLauncher(SpendLimit(Allowance(flops=allowance)), launcher, prices, spent)
    results = limited.launch([[name] for name in names], 0)
    assert [result is not None for result in results] == [name in launcher.spent for name in names]
    return list(launcher.spent), limited.stopped


@pytest.mark.parametrize("launcher", [BasicLauncher, Cluster])
def test_no_run_starts_beyond_the_allowance(launcher):
    assert launched(launcher, 25.0) == (["a", "b"], "30 flops of 25")
    assert launched(launcher, 40.0) == (["a", "b", "c", "d"], None)
    assert launched(launcher, 40.0, before=15.0) == (["a", "b"], "45 flops of 40")
    assert launched(launcher, 5.0) == ([], "10 flops of 5")


def test_spent_amounts_count_rather_than_expected_ones():
    cheap = dict.fromkeys("abcd", 1.0)
    assert launched(BasicLauncher, 13.0, cheap) == (["a", "b", "c", "d"], None)
    assert launched(Cluster, 13.0, cheap)[0] == ["a"]
