"""A budget divided between two steps of a recipe."""

import pytest
from helpers.cli import command
from helpers.configs import composed

from openr1.config.schema import Config
from openr1.sweeps.designs.base import Finished
from openr1.sweeps.designs.stages import Stages, StagesSweep
from openr1.system.errors import ConfigError

ZERO = ("data=sums", "scale=300k", "recipe=r1_zero")
R1 = ("data=sums", "scale=300k", "recipe=r1")


def design(*given, **options):
    return Stages(StagesSweep(name="stages", **options), lambda overrides: composed(*given, *overrides))


def steps(config: Config):
    """Return the budget of each step in FLOPs, and the model that it starts from."""
    return {name: (step.budget.get("flops"), step.model.get("checkpoint")) for name, step in config.recipe.steps.items()}


@pytest.mark.slow
def test_each_budget_is_divided_by_each_share():
    some = design(*ZERO, budget=[1e12, 2e12], shares=[0.25, 0.5])
    recipes = [steps(some.compose(overrides)) for overrides in some.next([])]
    assert [(recipe["base"][0], recipe["zero"][0]) for recipe in recipes] == [
        (7.5e11, 2.5e11),
        (5e11, 5e11),
        (1.5e12, 5e11),
        (1e12, 1e12),
    ]
    assert all(recipe["zero"][1] == "@base" for recipe in recipes)


def test_a_budget_replaces_the_one_of_the_recipe():
    (overrides,) = design(*ZERO, "+recipe.steps.base.budget.tokens=3e6", budget=1e12, shares=[0.5]).next([])
    config = composed(*ZERO, "+recipe.steps.base.budget.tokens=3e6", *overrides)
    assert config.recipe.steps["base"].budget == {"tokens": None, "flops": 5e11}
    assert config.recipe.steps["zero"].budget == {"steps": None, "flops": 5e11}


def test_without_reinforcement_learning_the_exam_is_of_the_base():
    some = design(*ZERO, budget=1e12, shares=[0])
    (overrides,) = some.next([])
    assert steps(some.compose(overrides)) == {"base": (1e12, None), "eval_base": (None, "@base"), "eval_zero": (None, "@base")}


@pytest.mark.slow
def test_without_fine_tuning_reinforcement_learning_starts_from_what_was_before():
    some = design(*R1, sft="dev3", rl="r1", budget=1e12, shares=[1])
    (overrides,) = some.next([])
    recipe = steps(some.compose(overrides))
    assert "dev3" not in recipe
    assert recipe["r1"] == (1e12, "@base")
    assert recipe["eval_dev3"] == (None, "@base")
    assert recipe["dev2"] == (None, "@dev1")


@pytest.mark.parametrize(
    ("given", "options", "line"),
    [
        (ZERO, {}, "sweep.budget: must be FLOPs above 0"),
        (ZERO, {"budget": -1}, "sweep.budget: must be FLOPs above 0"),
        (ZERO, {"budget": "much"}, "sweep.budget: must be FLOPs above 0"),
        (ZERO, {"budget": 1e12, "shares": [1.5]}, "sweep.shares[0]: must be from 0 to 1, not 1.5"),
        (ZERO, {"budget": 1e12, "shares": [1]}, "sweep.shares: 1 leaves out base, which starts from scratch"),
        (ZERO, {"budget": 1e12, "rl": "one"}, "sweep.rl: must be a step of reinforcement learning in the recipe, one of zero"),
        (ZERO, {"budget": 1e12, "sft": "zero"}, "sweep.sft: must be a step of training on data in the recipe, one of base"),
        (ZERO[:2], {"budget": 1e12}, "sweep.sft: must be a step of training on data in the recipe, one of none"),
    ],
)
def test_a_wrong_option_is_one_line(given, options, line):
    with pytest.raises(ConfigError) as caught:
        design(*given, **options).next([])
    assert str(caught.value).startswith(line)


@pytest.mark.slow
def test_the_report_says_what_was_spent_and_which_share_is_best(monkeypatch):
    monkeypatch.setattr("openr1.sweeps.designs.stages.flops_of_steps", lambda config: {"base": 7e11, "eval_zero": 1e9})
    some = design(*ZERO, budget=[2e12, 1e12], shares=[0, 0.5])
    rates = dict(zip(some.next([]), (0.2, 0.3, 0.5, 0.4), strict=True))
    finished = [
        Finished(one, some.compose(one), {"pass_at_1": rate, "pass_at_1_low": rate - 0.1, "pass_at_1_high": rate + 0.1})
        for one, rate in rates.items()
    ]
    failed = Finished(finished[0].overrides, finished[0].config, {})
    assert some.next(finished) == []
    assert some.report([failed, *finished[1:]]) == [
        "a budget of 1e+12 FLOPs",
        "share of zero  FLOPs of base  FLOPs of zero  pass_at_1",
        "            0          7e+11              0  0.500 (0.400 to 0.600)",
        "          0.5          7e+11              0  0.400 (0.300 to 0.500)",
        "best: a share of 0, 0.500 (0.400 to 0.600)",
        "a budget of 2e+12 FLOPs",
        "share of zero  FLOPs of base  FLOPs of zero  pass_at_1",
        "          0.5          7e+11              0  0.300 (0.200 to 0.400)",
        "best: a share of 0.5, 0.300 (0.200 to 0.400)",
    ]


@pytest.mark.integration
@pytest.mark.nightly
def test_the_whole_command_divides_a_budget(tmp_path):
    small = [
        "scale=50k",
        "data.sources.sums.problems=400",
        "data.eval_fraction=0.1",
        "recipe.steps.base.optim.batch_tokens=1024",
    ]
    small += ["recipe.steps.zero.stage.prompts=4", "recipe.steps.zero.stage.samples=4", "hydra/launcher=basic"]
    small += ["sweep.budget=8e9", "sweep.shares=[0,0.25]"]
    done = command("openr1", "-m", "experiment=stages_micro", *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "share of zero" in done.stderr
    assert "best: a share of" in done.stderr
    again = command("openr1", "-m", "experiment=stages_micro", *small, cwd=tmp_path)
    assert "2 runs, 2 done" in again.stderr
