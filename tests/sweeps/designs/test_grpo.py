import math
from functools import cache

import pytest
from helpers.configs import composed

from openr1.config.schema import to_dict
from openr1.sweeps.designs.base import Finished
from openr1.sweeps.designs.grpo import Grpo, GrpoSweep
from openr1.system.errors import ConfigError

POLICY = ("stage=grpo", "data=sums", "model.checkpoint=sft-0123456789abcdef", "optim=rl", "budget.steps=10")
RECIPE = ("data=sums", "recipe=r1_zero", "recipe.steps.zero.optim.lr=1e-4")


def numbers(run):
    """The value of each key of a run, by the end of its name."""
    return {text.partition("=")[0].rpartition(".")[2]: float(text.partition("=")[2]) for text in run if "=null" not in text}


def rewarded(sweep, *overrides, best, problems=32, fails=(), spent=1.0):
    """Run what a design asks for, with pass rates that are highest at ``best(budget)`` rollouts and at so many problems."""
    compose = cache(lambda more: composed(*overrides, *more))
    finished, rounds = [], []
    while runs := Grpo(sweep, compose).next(finished):
        rounds.append(runs)
        assert len(rounds) < 20
        for run in runs:
            value = numbers(run)
            rate = 0.8 - 0.02 * math.log(value["samples"] / best(value["flops"])) ** 2
            rate -= 0.01 * math.log(value.get("prompts", problems) / problems) ** 2
            own = {"pass_at_1": rate, "flops": spent * value["flops"]}
            metrics = own if sweep.step is None else {f"{sweep.step}.{name}": number for name, number in own.items()}
            # of a recipe, the last evaluation and all stages together are not what a step reached and spent
            others = {} if sweep.step is None else {"pass_at_1": 1 - rate, "flops": 1e3 * own["flops"]}
            finished.append(Finished(run, None, {} if value["samples"] in fails else metrics | others))
    return finished, rounds, Grpo(sweep, compose).report(finished)


def test_a_best_number_between_others_is_one_round_the_largest_budget_first():
    finished, rounds, report = rewarded(GrpoSweep(budgets=[1e11, 1e12]), *POLICY, best=lambda _: 8)
    assert [len(runs) for runs in rounds] == [6]
    assert rounds[0][0] == ("budget.flops=1000000000000.0", "stage.samples=4", "budget.steps=null")
    assert all(line.endswith("at 8 rollouts of a problem; bracketed") for line in report)
    assert {text for run in finished for text in run.overrides if "prompts" in text} == set()


@pytest.mark.parametrize(("best", "levels"), [(60, [4, 8, 16, 32, 64, 128]), (3.2, [2, 4, 8, 16])])
def test_a_best_number_at_an_end_extends_the_grid(best, levels):
    finished, _, report = rewarded(GrpoSweep(budgets=[1e12]), *POLICY, best=lambda _: best)
    assert sorted(numbers(run.overrides)["samples"] for run in finished) == levels
    assert report[0].endswith("bracketed")
    assert "not bracketed" not in report[0]


def test_each_budget_has_a_grid_of_its_own():
    finished, _, report = rewarded(GrpoSweep(budgets=[1e11, 1e13]), *POLICY, best=lambda flops: 8 if flops < 1e12 else 28)
    sizes = {budget: [] for budget in (1e11, 1e13)}
    for run in finished:
        sizes[numbers(run.overrides)["flops"]].append(numbers(run.overrides)["samples"])
    assert sorted(sizes[1e11]) == [4, 8, 16]
    assert sorted(sizes[1e13]) == [4, 8, 16, 32, 64]
    assert [line.partition(":")[0] for line in report] == ["1e+13 FLOPs", "1e+11 FLOPs"]


def test_what_ends_a_grid_is_said():
    _, _, report = rewarded(GrpoSweep(budgets=[1e12], extend=1), *POLICY, best=lambda _: 500)
    assert report[0].endswith("not bracketed: no more rollouts, since sweep.extend=1 is used up")
    _, _, report = rewarded(GrpoSweep(budgets=[1e12], rollouts=[2, 4, 8]), *POLICY, best=lambda _: 0.5)
    assert report[0].endswith("not bracketed: no fewer rollouts, since 2 is the smallest number")
    _, _, report = rewarded(GrpoSweep(budgets=[1e12]), *POLICY, best=lambda _: 500, fails=(16,))
    assert report[0].endswith("not bracketed: no more rollouts, since the run next to it failed")


def test_a_step_that_takes_more_than_the_budget_is_not_gone_beyond():
    finished, _, report = rewarded(GrpoSweep(budgets=[1e12]), *POLICY, best=lambda _: 500, spent=2.0)
    assert len(finished) == 3
    assert "no more rollouts, since one step of 16 takes more than the budget" in report[0]
    assert report[1].endswith("spent 2 times its budget, since one step takes more than what is left")


def test_problems_of_a_step_are_an_axis_too():
    sweep = GrpoSweep(budgets=[1e12], prompts=[8, 16, 32])
    finished, _, report = rewarded(sweep, *POLICY, best=lambda _: 8, problems=28)
    assert len(finished) == 3 * 4
    assert report == ["1e+12 FLOPs: highest pass_at_1 0.7998 at 8 rollouts of a problem and 32 problems of a step; bracketed"]


def test_the_answers_of_a_step_may_be_the_same_at_any_number_of_rollouts():
    finished, _, _ = rewarded(GrpoSweep(budgets=[1e12], answers=256), *POLICY, best=lambda _: 60)
    pairs = [(numbers(run.overrides)["samples"], numbers(run.overrides)["prompts"]) for run in finished]
    assert sorted(pairs) == [(4, 64), (8, 32), (16, 16), (32, 8), (64, 4)]


def test_the_step_of_a_recipe_gets_the_budget():
    sweep = GrpoSweep(budgets=[1e11], step="zero")
    finished, rounds, report = rewarded(sweep, *RECIPE, best=lambda _: 8)
    assert len(rounds) == 1
    assert report == ["1e+11 FLOPs: highest zero.pass_at_1 0.8000 at 8 rollouts of a problem; bracketed"]
    zero = to_dict(composed(*RECIPE, *finished[0].overrides))["recipe"]["steps"]["zero"]  # is possible
    assert (zero["budget"]["flops"], zero["budget"]["steps"], zero["stage"]["samples"]) == (1e11, None, 4)
    assert finished[0].overrides == (
        "++recipe.steps.zero.budget.flops=100000000000.0",
        "++recipe.steps.zero.stage.samples=4",
        "++recipe.steps.zero.budget.steps=null",
    )


@pytest.mark.parametrize(
    ("options", "overrides", "line"),
    [
        ({"rollouts": [4, 8]}, POLICY, r"^sweep\.rollouts: needs at least 3 values"),
        ({"rollouts": [1, 4, 8]}, POLICY, r"^sweep\.rollouts\[0\]: "),
        ({"rollouts": [4, 8, 8]}, POLICY, r"^sweep\.rollouts: 8 stands there twice"),
        ({"prompts": [8]}, POLICY, r"^sweep\.prompts: 3 numbers or more"),
        ({"budgets": []}, POLICY, r"^sweep\.budgets: "),
        ({"budgets": [-1.0]}, POLICY, r"^sweep\.budgets\[0\]: "),
        ({"answers": 30}, POLICY, r"^sweep\.answers: 30 is not a multiple of 4"),
        ({"answers": 64, "prompts": [4, 8, 16]}, POLICY, r"^sweep\.answers: gives the problems of a step"),
        ({"step": "zero"}, POLICY, r"^sweep\.step: 'zero' is a step of a recipe"),
        ({}, ("stage=sft", "data=sums"), r"^stage: sweep=grpo has runs of reinforcement learning"),
        ({}, RECIPE, r"^sweep\.step: must be a step of reinforcement learning in the recipe, one of zero, not null"),
        ({"step": "base"}, RECIPE, r"^sweep\.step: must be a step of reinforcement learning .*, not 'base'"),
    ],
)
def test_a_study_that_cannot_be_is_one_line(options, overrides, line):
    with pytest.raises(ConfigError, match=line):
        Grpo(GrpoSweep(**{"budgets": [1e12], **options}), lambda more: composed(*overrides, *more)).next([])
