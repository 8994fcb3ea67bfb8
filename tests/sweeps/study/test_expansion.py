"""Expansion of a command line into runs, with the shipped configs."""

import pytest
from hydra import initialize_config_module
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode

from openr1.config.schema import register
from openr1.sweeps.designs.base import Design
from openr1.sweeps.designs.isoflop import IsoFlopSweep
from openr1.sweeps.planning.loader import TrialLoader
from openr1.sweeps.study.expansion import Expansion
from openr1.system.errors import ConfigError


@pytest.fixture
def expansion():
    """Return a function that expands words of a command line; those of ``sweep`` compose the config."""
    register()
    with initialize_config_module("openr1.conf", version_base="1.3"):
        hydra: Hydra = GlobalHydra.instance().hydra

        def made(*words, **params):
            own = [word for word in words if word.startswith("sweep")]
            config = hydra.compose_config("config", own, run_mode=RunMode.MULTIRUN)
            return Expansion(config, TrialLoader(hydra.config_loader), params, list(words))

        yield made


def follow(some, value):
    """The rounds of an expansion, told a loss of the overrides of each run."""
    rounds = []
    while jobs := some.next():
        rounds.append(jobs)
        losses = [value(dict(word.split("=") for word in job)) for job in jobs]
        some.tell([some.config_of(jobs[0])] * len(jobs), [None if loss is None else {"eval_loss": loss} for loss in losses])
    return rounds


def test_values_separated_by_commas_are_every_combination(expansion):
    (jobs,) = follow(expansion("scale=30k,50k", "seed=0,1", "optim.lr=0.001"), lambda _: 1.0)
    assert jobs == [(f"scale={scale}", f"seed={seed}", "optim.lr=0.001") for scale in ("30k", "50k") for seed in (0, 1)]


def test_the_command_line_has_the_last_word(expansion):
    some = expansion("scale=70k", **{"scale": "30k,50k", "seed": "0,1"})
    (jobs,) = follow(some, lambda _: 1.0)
    assert [some.config_of(job).scale.name for job in jobs] == ["70k", "70k"]
    assert [some.config_of(job).seed for job in jobs] == [0, 1]


def test_each_combination_has_a_design_class_its_own(expansion):
    words = ("sweep=isoflop", "sweep.budgets=[1e12]", "sweep.sizes=3", "sweep.scales=[70k,100k,150k]", "seed=0,1")
    some = expansion(*words)
    assert isinstance(some.sweep, IsoFlopSweep)
    best = {"0": 100, "1": 150}
    rounds = follow(some, lambda given: abs(int(given["scale"].removesuffix("k")) - best[given["seed"]]))
    assert [len(jobs) for jobs in rounds] == [6, 1]
    assert rounds[1] == [("seed=1", "scale=200k", "budget.flops=1000000000000.0")]
    report = some.report()
    assert report[::2] == ["seed=0", "seed=1"]
    assert "at 100k" in report[1]
    assert "at 150k" in report[3]


def test_a_run_that_is_not_done_has_failed(expansion):
    some = expansion("sweep=isoflop", "sweep.budgets=[1e12]", "sweep.sizes=3")
    losses = {"70k": 3.0, "100k": 2.0, "150k": None}
    assert [len(jobs) for jobs in follow(some, lambda given: losses[given["scale"]])] == [3]


def test_a_key_that_a_design_decides_is_refused(expansion):
    with pytest.raises(ConfigError, match=r"^scale: sweep=isoflop decides it; leave it out"):
        expansion("sweep=isoflop", "sweep.budgets=[1e12]", "scale=50k,70k").next()
    with pytest.raises(ConfigError, match=r"^seed: sweep=grid decides it"):
        expansion("sweep=grid", "sweep.axes={seed: [0,1]}", "seed=3").next()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["sweep=isoflop"], r"^sweep\.budgets: no value is given"),
        (["sweep=isoflop", "sweep.budgets=[-1]"], r"^sweep\.budgets\[0\]: "),
        (["sweep=lr", "sweep.rates=[1]"], r"^sweep\.rates: "),
        (["optim.lr=interval(0.1,1)"], r"optim.lr: interval\(0.1,1\) is continuous; give a list of values, or sweep=search"),
        (["sweep.allowance.flops=-1"], r"^sweep\.allowance\.flops: must be at least 1"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_line(expansion, words, line):
    with pytest.raises(ConfigError, match=line) as refused:
        expansion(*words).next()
    assert "\n" not in str(refused.value)


def test_hydra_refuses_an_option_that_no_kind_has(expansion):
    with pytest.raises(HydraException):
        expansion("sweep=isoflop", "sweep.budgets=[1e12]", "sweep.size=3")


def test_every_design_has_its_contract(expansion):
    from openr1.sweeps.designs import DESIGNS, design_class

    for kind, (options, _) in DESIGNS.items():
        assert options.kind == kind
        assert issubclass(design_class(kind), Design)
