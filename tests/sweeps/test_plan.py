"""The table of a study's plan."""

from types import SimpleNamespace

from openr1.terminal import console
from sweeps.plan import PlannedRun, show_plan
from sweeps.rounds import _differences


def stage(name, trains):
    """What the table asks of a planned stage."""
    budget = SimpleNamespace(steps=123456, lr=1.2e-4)
    return SimpleNamespace(
        config=SimpleNamespace(stage=SimpleNamespace(trains=trains)),
        work=SimpleNamespace(params=1234567, tokens=1234567890, flops=1.234e18, units=98765, budget=budget),
        artifact_name=name,
        artifact=lambda: None,
        share_done=lambda: 0.0,
    )


def test_a_plan_is_whole_in_a_pipe(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"tokens=6e+05 scale=150k recipe=distill_unverified seed={seed}" for seed in range(2)]
    runs = [PlannedRun(name, None, [stage(f"sft-{name}", True), stage(f"evaluate-{name}", False)]) for name in names]
    show_plan(runs, console(stderr=True))
    lines = capsys.readouterr().err.splitlines()
    for name in names:
        (line,) = [line for line in lines if name in line]
        assert line.split()[4:] == ["1,234,567", "1,234,567,890", "1e+03", "1.23e+18", "123,456", "0.00012", "98,765", "0/2"]


def test_a_run_is_named_by_what_sets_it_apart():
    jobs = [
        ("study=a", "data.sources.x.weight=0.5", "data.sources.y.weight=0.5", "budget.flops=1000000000000.0"),
        ("study=a", "data.sources.x.weight=1", "data.sources.y.weight=0", "~recipe.steps.zero"),
        ("study=a", "++recipe.steps.zero.budget.flops=2e9", "++recipe.steps.base.budget.flops=1e9", "scale=50k"),
    ]
    assert _differences(jobs) == [
        "x.weight=0.5 y.weight=0.5 flops=1e+12",
        "x.weight=1 y.weight=0 ~zero",
        "zero.budget.flops=2e+09 base.budget.flops=1e+09 scale=50k",
    ]
