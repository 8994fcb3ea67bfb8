import math
from functools import cache

import pandas as pd
import pytest
from helpers.cli import command
from helpers.configs import composed
from helpers.sweep_designs import compose, study

from openr1.analysis.config import compose as compose_fit
from openr1.analysis.laws import LAWS
from openr1.analysis.sources.frame import read, tidy
from openr1.sweeps.designs.base import Finished
from openr1.sweeps.designs.lr import Lr, LrSweep
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.training.budget import resolve

CELLS = {"scales": ["70k", "200k"], "tokens": [1e6, 4e6]}


def valley(lr, batch=None):
    """A loss that is lowest at these multiples of the rule's learning rate, which is 0.005 (N/1e5)^-0.3, and of 512 tokens."""

    def loss(config):
        budget = resolve(config)
        rule = 0.005 * (budget.params.non_embedding / 1e5) ** -0.3
        off = math.log(config.optim.lr / (lr * rule)) ** 2
        return 3 + off + (math.log(budget.batch_tokens / (batch * 512)) ** 2 if batch else 0)

    return loss


def values(finished, key):
    return sorted({getattr(run.config.optim, key) for run in finished})


def test_a_grid_that_holds_the_best_rate_is_one_round_the_most_expensive_cell_first():
    rounds, finished, design = study(LrSweep(**CELLS), valley(1.2))
    assert [len(runs) for runs in rounds] == [20]
    assert [run[:2] for run in rounds[0][::5]] == [
        ("scale=200k", "budget.tokens=4000000.0"),
        ("scale=70k", "budget.tokens=4000000.0"),
        ("scale=200k", "budget.tokens=1000000.0"),
        ("scale=70k", "budget.tokens=1000000.0"),
    ]
    assert all(line.endswith("times that of the config; bracketed") for line in design.report(finished))
    assert len({run.config.optim.batch_tokens for run in finished}) == 1


@pytest.mark.parametrize(("best", "added"), [(7.0, [8.0, 16.0]), (0.2, [0.125])])
def test_the_side_of_the_best_rate_is_extended_by_the_step_of_the_grid(best, added):
    _, finished, design = study(LrSweep(scales=["100k"], tokens=[1e6]), valley(best))
    (cell,) = design.cells
    factors = [rate / cell.lr for rate in values(finished, "lr")]
    assert factors == pytest.approx(sorted([0.25, 0.5, 1.0, 2.0, 4.0, *added]), rel=0.02)
    assert "; bracketed" in design.report(finished)[0]


def test_a_batch_at_an_end_is_extended_too_and_the_runs_stay_a_grid():
    sweep = LrSweep(scales=["100k"], tokens=[1e6], rates=[0.5, 1, 2], batches=[0.5, 1, 2])
    _, finished, design = study(sweep, valley(1.1, batch=3.5))
    assert values(finished, "batch_tokens") == [256, 512, 1024, 2048, 4096]
    assert len(finished) == 3 * 5
    assert "batches of 2048 tokens, 4 times; bracketed" in design.report(finished)[0]
    _, finished, design = study(sweep, valley(1.1, batch=0.1))
    assert values(finished, "batch_tokens")[0] == 128
    assert design.report(finished)[0].endswith("not bracketed: no smaller batch, since 128 tokens are the smallest batch")


def test_rates_that_diverge_are_not_gone_beyond():
    diverging = lambda config: None if config.optim.lr > 0.012 else -config.optim.lr  # noqa: E731
    rounds, finished, design = study(LrSweep(scales=["100k"], tokens=[1e6]), diverging)
    assert len(rounds) == 1
    assert "no higher learning rate, since the run next to it failed" in design.report(finished)[0]
    _, finished, design = study(LrSweep(scales=["100k"], tokens=[1e6], extend=2), lambda config: config.optim.lr)
    assert len(finished) == 7
    assert "no lower learning rate, since sweep.extend=2 is used up" in design.report(finished)[0]


def test_tokens_may_follow_from_parameters_and_the_size_from_the_config():
    runs = Lr(LrSweep(tokens_per_param=[10.0]), compose).next([])
    tokens = 10 * resolve(compose(())).params.non_embedding
    assert {run[0] for run in runs} == {f"budget.tokens={float(tokens)}"}
    assert len(runs) == 5


def test_the_law_of_hyperparameters_reads_the_grid():
    sweep = LrSweep(**CELLS, rates=[0.5, 1, 2], batches=[0.5, 1, 2])
    _, finished, _ = study(sweep, valley(2.5, batch=1.3))
    rows = []
    for run in finished:
        budget = resolve(run.config)
        row = {"N": budget.params.non_embedding, "D": budget.tokens, "C": budget.flops, "loss": run.metrics["eval_loss"]}
        rows.append(row | {"lr": budget.lr, "batch": budget.batch_tokens})
    law = LAWS["hyperparameter"](batch=True)
    solution = law.estimate(tidy(pd.DataFrame(rows), needs=law.needs).frame)
    assert not solution.warnings
    coefficient, by_n, by_d, batch, batch_by_n, batch_by_d = solution.params[0]
    assert [by_n, by_d, batch_by_n, batch_by_d] == pytest.approx([-0.3, 0, 0, 0], abs=0.02)
    assert coefficient * 1e5**by_n * 1e6**by_d == pytest.approx(2.5 * 0.005, rel=0.03)
    assert batch * 1e5**batch_by_n * 1e6**batch_by_d == pytest.approx(1.3 * 512, rel=0.03)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"rates": [1, 2]}, r"^sweep\.rates: needs at least 3 values"),
        ({"rates": [1, 2, 2]}, r"^sweep\.rates: "),
        ({"batches": [1]}, r"^sweep\.batches: 3 values"),
        ({"batches": [0.1, 0.2, 0.3]}, r"^sweep\.batches: .* whole sequences"),
        ({"tokens": [-1]}, r"^sweep\.tokens\[0\]: "),
        ({"tokens": [], "tokens_per_param": []}, r"^sweep\.tokens_per_param: "),
        ({"tokens": [10]}, r"^budget\.tokens: 10 is 10 tokens, below one step"),
        ({"extend": -1}, r"^sweep\.extend: "),
    ],
)
def test_a_study_that_cannot_be_is_one_line(options, line):
    with pytest.raises(ConfigError, match=line):
        Lr(LrSweep(**{**CELLS, **options}), compose).next([])


POLICY = ("stage=grpo", "data=sums", "model.checkpoint=sft-0123456789abcdef", "optim=rl", "budget.steps=10")
RECIPE = ("data=sums", "recipe=r1_zero", "recipe.steps.zero.optim.lr=1e-4")
MAXIMAL = {"rates": [0.5, 1, 2], "objective": "pass_at_1", "direction": "maximize"}


def rewarded(sweep, *overrides, best):
    """Run what a design asks for, with pass rates that are highest at a learning rate."""
    design, finished, rounds = Lr(sweep, cache(lambda more: composed(*overrides, *more))), [], 0
    while runs := design.next(finished):
        rounds += 1
        for run in runs:
            rate = 0.8 - math.log(float(run[-1].partition("=")[2]) / best) ** 2
            # of a recipe, the last evaluation is not that of the step
            named = {"pass_at_1": rate} if sweep.step is None else {f"{sweep.step}.pass_at_1": rate, "pass_at_1": 1 - rate}
            finished.append(Finished(run, None, named))
    return finished, rounds, design.report(finished)


def test_the_learning_rate_of_reinforcement_learning_is_that_of_the_highest_pass_rate():
    sweep = LrSweep(**MAXIMAL)
    finished, rounds, report = rewarded(sweep, *POLICY, "optim.lr=1e-4", best=4e-4)
    assert [run.overrides for run in finished[:3]] == [("optim.lr=5e-05",), ("optim.lr=0.0001",), ("optim.lr=0.0002",)]
    assert rounds == 3
    assert report == ["all runs: highest pass_at_1 0.8000 at learning rate 0.0004, 4 times that of the config; bracketed"]


def test_the_learning_rate_of_a_step_of_a_recipe_is_swept_at_each_size():
    sweep = LrSweep(scales=["50k", "100k"], step="zero", **MAXIMAL)
    finished, _, report = rewarded(sweep, *RECIPE, best=1e-4)
    assert finished[0].overrides == ("scale=100k", "++recipe.steps.zero.optim.lr=5e-05")
    assert composed(*RECIPE, *finished[0].overrides).recipe.steps["zero"].optim["lr"] == 5e-5
    assert len(finished) == 6
    assert report[1].startswith("scale=50k: highest zero.pass_at_1 0.8000 at learning rate 0.0001, 1 times")


@pytest.mark.parametrize(
    ("options", "overrides", "line"),
    [
        ({"tokens": [1e6]}, POLICY, r"^sweep\.tokens: runs of a recipe and of stage=grpo have the budgets of the config"),
        ({"tokens_per_param": [5]}, POLICY, r"^sweep\.tokens_per_param: "),
        ({"batches": [0.5, 1, 2]}, POLICY, r"^sweep\.batches: "),
        ({}, RECIPE, r"^sweep\.step: must be a step of the recipe that trains, one of base, zero, not null"),
        ({"step": "eval_base"}, RECIPE, r"^sweep\.step: .* not 'eval_base'"),
        ({"step": "base"}, RECIPE, r"^recipe\.steps\.base\.optim\.lr: sweep=lr needs a value"),
        ({"step": "base"}, (), r"^sweep\.step: 'base' is a step of a recipe, and these runs are of one stage"),
    ],
)
def test_runs_that_are_not_of_given_tokens_have_the_budgets_of_the_config(options, overrides, line):
    with pytest.raises(ConfigError, match=line):
        Lr(LrSweep(**options), lambda more: composed(*overrides, *more)).next([])


@pytest.mark.integration
def test_the_law_reads_the_runs_of_the_command(tiny, tmp_path):
    tiny = [word for word in tiny if not word.startswith(("scale=", "budget.steps"))]
    cells = ["sweep.scales=[30k]", "sweep.tokens=[4096]", "sweep.rates=[0.25,1,4]", "sweep.extend=1"]
    words = [*tiny, "study=rates", "sweep=lr", *cells, "hydra.launcher.n_jobs=1"]
    done = command("openr1", "-m", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 runs, 0 done" in done.stderr
    assert "scale=30k on 4096 tokens: lowest eval_loss" in done.stderr
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    source = compose_fit(["law=hyperparameter", "runs.study=rates", f"runs.uri={uri}"]).runs
    table = read(source, LAWS["hyperparameter"]().needs).frame
    asked = {float(run.params["optim.lr"]) for run in tracking.read_runs(uri, "rates")}
    assert len(asked) >= 3
    assert set(table["lr"]) == asked
    assert set(table["batch"]) == {128.0}
