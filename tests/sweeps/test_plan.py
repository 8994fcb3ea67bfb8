"""The table of a study's plan."""

from types import SimpleNamespace

from openr1.terminal import console
from sweeps.plan import PlannedRun, show_plan


def stage(name, trains):
    """What the table asks of a planned stage."""
    budget = SimpleNamespace(steps=123456, lr=1.2e-4)
    return SimpleNamespace(
        config=SimpleNamespace(stage=SimpleNamespace(trains=trains)),
        work=SimpleNamespace(params=1234567, tokens=1234567890, flops=1.234e18, flops_new=1.234e18, units=98765, budget=budget),
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
