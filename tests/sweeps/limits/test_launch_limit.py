"""What may start, with a launcher that says what it was asked to launch."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from helpers.configs import composed
from helpers.planned_studies import told
from hydra.core.utils import JobReturn, JobStatus

from openr1.errors import ConfigError
from sweeps.config import Allowance, SweepConfig
from sweeps.limits import spent
from sweeps.limits.amount import Amount, total
from sweeps.limits.launch_limit import Allowed, check_confirmed, times_matter
from sweeps.limits.spent import spent_by

EACH = Amount(flops=10.0)


class BasicLauncher:
    """Runs of ten FLOPs, foreseen as ten unless said otherwise."""

    def __init__(self, costs):
        self.costs, self.made = costs, {}

    def launch(self, jobs, first):
        self.made |= {job[0]: self.costs[job[0]] for job in jobs}
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=job[0]) for job in jobs]


class Cluster(BasicLauncher):
    """Not one of this machine."""


def foreseen(name, amount):
    stage = SimpleNamespace(fingerprint=name)
    return SimpleNamespace(amount=amount, whole=amount, stages=[SimpleNamespace(stage=stage, left=1.0)])


def launched(launcher, allowance, costs=None, before=0.0):
    names = ["a", "b", "c", "d"]
    launcher = launcher(costs or dict.fromkeys(names, 10.0))
    prices = {(name,): foreseen(name, EACH) for name in names}

    def spent_of(without):
        return total([Amount(before), *(Amount(cost) for name, cost in launcher.made.items() if name not in without)])

    allowed = Allowed(Allowance(flops=allowance), launcher, prices, spent_of)
    results = allowed.start([[name] for name in names], 0)
    assert [result is not None for result in results] == [name in launcher.made for name in names]
    return list(launcher.made), allowed.stopped


@pytest.mark.parametrize("launcher", [BasicLauncher, Cluster])
def test_no_run_starts_beyond_the_allowance(launcher):
    assert launched(launcher, 25.0) == (["a", "b"], "30 flops of 25")
    assert launched(launcher, 40.0) == (["a", "b", "c", "d"], None)
    assert launched(launcher, 40.0, before=15.0) == (["a", "b"], "45 flops of 40")
    assert launched(launcher, 5.0) == ([], "10 flops of 5")


def test_what_runs_took_counts_not_what_was_expected():
    cheap = dict.fromkeys("abcd", 1.0)
    assert launched(BasicLauncher, 13.0, cheap) == (["a", "b", "c", "d"], None)
    assert launched(Cluster, 13.0, cheap)[0] == ["a"]


def test_a_price_above_the_limit_is_to_be_confirmed():
    sweep = SweepConfig(ask_above=Allowance(gpu_hours=8.0))
    check_confirmed(Amount(gpu_hours=8.0, flops=1e30), sweep)
    with pytest.raises(ConfigError, match=r"^sweep\.confirm: this takes 9 gpu hours of 8 that .* sweep.confirm=true$"):
        check_confirmed(Amount(gpu_hours=9.0), sweep)
    check_confirmed(Amount(gpu_hours=9.0), replace(sweep, confirm=True))


def test_shipped_sweeps_ask_above_eight_gpu_hours():
    assert SweepConfig().ask_above == Allowance(gpu_hours=8.0)


def test_times_matter_where_a_limit_is_in_hours_and_hours_cost():
    processor = composed().compute
    gpu, paid = replace(processor, device="cuda"), replace(processor, price_per_hour=1.0)
    assert not times_matter(SweepConfig(), [processor])
    assert times_matter(SweepConfig(), [processor, gpu])
    assert not times_matter(SweepConfig(confirm=True), [gpu])
    assert times_matter(SweepConfig(confirm=True, allowance=Allowance(money=3.0)), [paid])


def test_a_study_has_spent_what_all_its_runs_did(study, monkeypatch):
    stages = [run.main for run in study]
    params = {"compute.device": "cuda", "compute.processes": "2", "compute.price_per_hour": "3.0"}
    runs = [
        replace(told(stages[0], "FINISHED"), metrics={"flops": 5.0, "wall_seconds": 3600.0}, params=params),
        replace(told(stages[1], "FAILED"), metrics={"flops": 2.0}, params=params),  # of a minute
        replace(told(stages[2], "FINISHED", reused="True"), metrics={"flops": 100.0}, params=params),
        replace(told(stages[3], "RUNNING", end=False), metrics={"flops": 1.0}, params=params),
    ]
    monkeypatch.setattr(spent, "tracked_runs", lambda tracking, study: runs)
    found = spent_by(study[0].config.tracking, "half")
    assert found.flops == 8.0
    assert found.gpu_hours == pytest.approx(2 + 2 / 60)
    assert found.money == pytest.approx(3 * found.gpu_hours)
    assert spent_by(study[0].config.tracking, "half", {stages[3].fingerprint}).flops == 7.0
