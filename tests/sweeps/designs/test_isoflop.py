import math

import pytest
from helpers.cli import command
from helpers.configs import composed
from helpers.sweep_designs import compose, study

from openr1.sweeps.designs.isoflop import IsoFlop, IsoFlopSweep, Optimum
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.training.budget import resolve

BUDGETS = [1e15, 4e15]


def tokens_and_params(config):
    budget = resolve(config)
    return budget.tokens, budget.params.non_embedding


def chinchilla(ratio=20.0):
    """A loss whose optimum is near so many tokens a parameter: A/N^.5 + B/D^.5 is lowest, at C=6ND, where D/N = (B/A)^2."""

    def loss(config):
        tokens, params = tokens_and_params(config)
        return 1.7 + 100 / params**0.5 + 100 * ratio**0.5 / tokens**0.5

    return loss


def sizes(runs, budget):
    return [scale.removeprefix("scale=") for scale, flops in runs if float(flops.split("=")[1]) == budget]


@pytest.mark.parametrize("off", [0.1, 1.0, 10.0])
def test_every_budget_is_bracketed_though_the_prediction_is_off_tenfold(off):
    sweep = IsoFlopSweep(budgets=BUDGETS, optimum=Optimum(tokens_per_param=20 * off**2))
    loss = chinchilla()
    rounds, finished, design = study(sweep, loss)
    assert len(finished) == sum(map(len, rounds))
    for budget in BUDGETS:
        of = sorted((run for run in finished if run.config.budget.flops == budget), key=lambda run: run.config.scale.params)
        losses = [run.metrics["eval_loss"] for run in of]
        assert 0 < losses.index(min(losses)) < len(losses) - 1
        assert 5 <= len(losses) <= 11
        first = sizes(rounds[0], budget)
        added = {name for runs in rounds[1:] for name in sizes(runs, budget)}
        ladder = list(design.ladder)
        places = [ladder.index(run.config.scale.name) for run in of]
        assert places == list(range(places[0], places[-1] + 1)), "sizes are neighbours"
        if off == 1:
            assert not added
        edge = max(map(ladder.index, first)) if off > 1 else min(map(ladder.index, first))
        assert all(ladder.index(name) > edge if off > 1 else ladder.index(name) < edge for name in added)
    assert all("; bracketed" in line for line in design.report(finished))
    assert [sum(scale.startswith("scale") for scale, _ in runs) for runs in rounds[1:]] <= [2] * len(rounds)


def test_the_first_round_is_the_nearest_sizes_the_largest_budget_first():
    runs = IsoFlop(IsoFlopSweep(budgets=BUDGETS, sizes=3), compose).next([])
    assert [flops for _, flops in runs] == ["budget.flops=4000000000000000.0"] * 3 + ["budget.flops=1000000000000000.0"] * 3
    assert sizes(runs, 1e15) == ["8m", "4m", "2m"]  # about sqrt(1e15 / 120) = 2.9e6
    fitted = IsoFlopSweep(budgets=BUDGETS, sizes=3, optimum=Optimum(params=5, flops=1e4, exponent=0.5))
    assert sizes(IsoFlop(fitted, compose).next([]), 1e15) == ["2m", "1m", "700k"]  # about 0.05 sqrt(1e15) = 1.6e6
    given = IsoFlopSweep(budgets=BUDGETS, scales=["30m", "1m"])
    assert sizes(IsoFlop(given, compose).next([]), 4e15) == ["30m", "1m"]


def test_a_killed_study_resumes_from_its_finished_runs():
    sweep, loss = IsoFlopSweep(budgets=BUDGETS, optimum=Optimum(tokens_per_param=200)), chinchilla()
    _, finished, _ = study(sweep, loss)
    for cut in (3, 10, 12):
        assert any("runs to go" in line for line in IsoFlop(sweep, compose).report(finished[:cut]))
        rest, again, _ = study(sweep, loss, finished[:cut])
        assert {run.overrides for run in again} == {run.overrides for run in finished}
        assert not {run for runs in rest for run in runs} & {run.overrides for run in finished[:cut]}


def test_tokens_are_those_of_the_budget_to_within_a_step():
    for words in (["model=llama", "scale=30k", "budget.flops=3e10"], ["optim=step_law", "scale=1m", "budget.flops=7e13"]):
        config = composed(*words)
        budget = resolve(config)
        assert abs(budget.flops - config.budget.flops) <= budget.batch_tokens * budget.flops_per_token / 2 * (1 + 1e-9)
        tokens = config.budget.flops / budget.flops_per_token
        assert abs(budget.tokens - tokens) <= budget.batch_tokens / 2 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("failing", "line"),
    [
        (lambda config: True, "no run has eval_loss"),
        (lambda config: config.scale.params > 1e7, "no larger size, since the run next to it failed"),
    ],
)
def test_runs_that_fail_are_not_gone_beyond(failing, line):
    sweep = IsoFlopSweep(budgets=[4e15], optimum=Optimum(tokens_per_param=20))
    always_larger = lambda config: None if failing(config) else -config.scale.params  # noqa: E731
    rounds, finished, design = study(sweep, always_larger)
    assert len(rounds) == 1
    assert line in design.report(finished)[0]


def test_it_says_why_a_minimum_is_not_bracketed():
    larger = lambda config: -config.scale.params  # noqa: E731
    _, finished, design = study(IsoFlopSweep(budgets=[4e15], extend=2), larger)
    assert len(finished) == 7
    assert "no larger size, since sweep.extend=2 is used up" in design.report(finished)[0]
    _, finished, design = study(IsoFlopSweep(budgets=[4e10], extend=9), lambda config: config.scale.params)
    (line,) = design.report(finished)
    assert line.startswith("4e+10 FLOPs: lowest eval_loss 30000.0000 at 30k of 30k, 50k, 70k, 100k")
    assert line.endswith("no smaller size, since 30k is the smallest size")
    _, finished, design = study(IsoFlopSweep(budgets=[1e10], extend=30), larger)
    assert "no larger size, since budget.flops: 1e+10 is " in design.report(finished)[0]
    assert "below one step" in design.report(finished)[0]


def test_a_rung_that_cannot_run_is_left_out_and_named():
    def refusing(overrides):
        if "scale=4m" in overrides:
            raise ConfigError("scale.heads: cannot be")
        return compose(overrides)

    _, finished, design = study(IsoFlopSweep(budgets=[1e15]), chinchilla(), compose=refusing)
    assert {run.config.scale.name for run in finished} == {"700k", "1m", "2m", "8m", "15m"}
    assert "1e+15 FLOPs: without 4m; scale.heads: cannot be" in design.report(finished)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"budgets": []}, r"^sweep\.budgets: needs at least 1 value"),
        ({"budgets": [1e12, 1e12]}, r"^sweep\.budgets: "),
        ({"sizes": 2}, r"^sweep\.sizes: must be at least 3"),
        ({"extend": -1}, r"^sweep\.extend: "),
        ({"budgets": [1e6]}, r"^budget\.flops: 1e\+06 is .* below one step"),
        ({"budgets": [1e8]}, r"^sweep\.budgets: at 1e\+08 FLOPs only 30k can run: budget\.flops: "),
    ],
)
def test_a_study_that_cannot_be_is_one_line(options, line):
    with pytest.raises(ConfigError, match=line):
        IsoFlop(IsoFlopSweep(**{"budgets": BUDGETS, **options}), compose).next([])


@pytest.mark.parametrize("given", [{"params": 1e5}, {"tokens_per_param": 0.0}])
def test_an_optimum_that_is_none_is_refused(given):
    with pytest.raises(ConfigError, match=r"^sweep\.optimum"):
        Optimum(**given)


def test_other_kinds_of_runs_are_refused():
    for words, key in ((["model=smollm2"], "model.checkpoint"), (["recipe=r1_zero", "data=sums"], "recipe")):
        config = composed(*words)
        with pytest.raises(ConfigError, match=f"^{key}: "):
            IsoFlop(IsoFlopSweep(budgets=BUDGETS), lambda _, config=config: config).next([])


@pytest.mark.integration
def test_the_command_extends_its_study_and_is_not_done_twice(tiny, tmp_path):
    tiny = [word for word in tiny if not word.startswith(("scale=", "budget.steps"))]
    # what is predicted is far too large for so little compute
    words = [*tiny, "study=iso", "sweep=isoflop", "sweep.budgets=[2e9]", "sweep.scales=[100k,150k]", "sweep.extend=2"]
    words = ["-m", *words, "hydra.launcher.n_jobs=1"]
    first = command("openr1", *words, cwd=tmp_path, COLUMNS="200")
    assert first.returncode == 0, first.stderr
    assert "2 runs, 0 done" in first.stderr
    (summary,) = [line for line in first.stderr.splitlines() if line.startswith("2e+09 FLOPs: lowest eval_loss")]
    runs = tracking.read_runs(f"sqlite:///{tmp_path}/outputs/mlflow.db", "iso")
    assert {"100k", "150k", "70k"} <= {run.tags["scale"] for run in runs}
    for run in runs:
        steps = int(run.params["budget.resolved.steps"])
        assert math.isclose(run.metrics["flops"], 2e9, rel_tol=0.5 / steps + 1e-6)
    again = command("openr1", *words, cwd=tmp_path, COLUMNS="200")
    assert "2 runs, 2 done; 0 training FLOPs to go" in again.stderr
    assert summary in again.stderr.splitlines()
    assert len(tracking.read_runs(f"sqlite:///{tmp_path}/outputs/mlflow.db", "iso")) == len(runs)
