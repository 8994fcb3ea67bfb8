"""The table of a study's price."""

from types import SimpleNamespace

from openr1.sweeps.cost.price import RunPrice, StagePrice, StudyPrice
from openr1.sweeps.cost.speed import Timing
from openr1.sweeps.cost.table import show_price
from openr1.sweeps.limits.amount import Amount
from openr1.sweeps.planning.plan import PlannedRun
from openr1.sweeps.planning.states import State
from openr1.sweeps.study.rounds import names_of_runs
from openr1.system.terminal import console


def stage(name, trains):
    """Return the parts of a planned stage that the table reads."""
    budget = SimpleNamespace(steps=123456, lr=1.2e-4)
    kind = "sft" if trains else "evaluate"
    return SimpleNamespace(
        config=SimpleNamespace(stage=SimpleNamespace(trains=trains, kind=kind)),
        estimate=SimpleNamespace(
            params=1234567, tokens=1234567890, flops=1.234e18, flops_new=1.234e18, units=98765, budget=budget
        ),
        artifact_name=name,
        artifact=lambda: None,
        share_done=lambda: 0.0,
    )


def priced(name, state=State.WAITING, reason=""):
    """Return a run whose training takes 100 minutes and 7.5 in money, and whose evaluation takes an unknown time."""
    stages = [stage(f"sft-{name}", True), stage(f"evaluate-{name}", False)]
    prices = [StagePrice(stages[0], Timing(6000.0, "earlier runs"), 1.0, Amount(1.234e18, 1.5, 7.5), 2.5e9)]
    prices.append(StagePrice(stages[1], None, 1.0, Amount(1.234e18), None))
    return RunPrice(PlannedRun(name, None, stages), prices, state, reason)


def shown(runs, capsys):
    show_price(StudyPrice([runs], "8 x a GPU", 2, 10.0), console(stderr=True))
    return capsys.readouterr().err


def test_a_plan_is_whole_in_a_pipe(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"tokens=6e+05 scale=150k recipe=distill_unverified seed={seed}" for seed in range(2)]
    text = shown([priced(name) for name in names], capsys)
    for name in names:
        (line,) = [line for line in text.splitlines() if name in line]
        cells = ["1,234,567", "1,234,567,890", "1e+03", "1.23e+18", "123,456", "0.00012", "98,765", "0/2"]
        assert line.split()[4:] == [*cells, "2.5", "GB", ">", "1.67", "h", "7.50"]
    assert "2.47e+18 training FLOPs and at most 2.47e+18 FLOPs of answers to go" in text
    sums = "about 1.67 h, 2 at once; 3 GPU hours; cost 15.00; the time of evaluate is not known and not counted on 8 x a GPU"
    assert sums in text


def test_a_plan_says_what_became_of_runs(capsys):
    text = shown([priced("a", State.FAILED, "RunError: [no] memory"), priced("b", State.RUNNING)], capsys)
    assert "failed: a: RunError: [no] memory" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith(("  a ", "  b "))] == ["failed", "running"]


def test_a_run_is_named_by_what_sets_it_apart():
    jobs = [
        ("study=a", "data.sources.x.weight=0.5", "data.sources.y.weight=0.5", "budget.flops=1000000000000.0"),
        ("study=a", "data.sources.x.weight=1", "data.sources.y.weight=0", "~recipe.steps.zero"),
        ("study=a", "++recipe.steps.zero.budget.flops=2e9", "++recipe.steps.base.budget.flops=1e9", "scale=50k"),
    ]
    assert names_of_runs(jobs) == [
        "x.weight=0.5 y.weight=0.5 flops=1e+12",
        "x.weight=1 y.weight=0 ~zero",
        "zero.budget.flops=2e+09 base.budget.flops=1e+09 scale=50k",
    ]


def test_a_name_has_the_ties_between_runs_only_where_nothing_else_differs():
    trunk, branch = (
        ("budget.tokens=2e6", "stage.keep_states=[7e5]"),
        ("budget.tokens=1e6", "stage.trunk=pretrain-0123456789abcdef"),
    )
    assert names_of_runs([trunk, branch]) == ["tokens=2e+06", "tokens=1e+06"]
    assert names_of_runs([trunk, trunk[:1]]) == ["keep_states=[7e5]", ""]
