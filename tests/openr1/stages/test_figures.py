from fnmatch import fnmatchcase

import pytest
from helpers.configs import composed

from openr1.runs.stage_run import run_stage
from openr1.stages.figures import FIGURES, check_figures, figures_of
from openr1.stages.options import STAGES
from openr1.system.errors import ConfigError


def test_every_stage_has_figures():
    assert set(FIGURES) == set(STAGES)


def test_the_figures_of_a_run_are_those_that_are_declared(tiny):
    config = composed(*tiny)
    made = run_stage(config, quiet=True).metrics
    assert {"eval_loss", "flops"} <= set(made)
    assert all(any(fnmatchcase(name, pattern) for pattern in figures_of(config)) for name in made)


def test_what_no_stage_makes_is_refused():
    with pytest.raises(ConfigError, match=r"^sweep\.objective: 'foo' is not a figure of these runs; they make eval_loss, "):
        check_figures(["eval_loss", "foo"], "sweep.objective", composed())
    recipe = composed("recipe=r1_zero", "data=sums")
    check_figures(["pass_at_1", "eval_loss", "reward_accuracy", "zero.pass_at_1", "base.eval_loss"], "sweep.objective", recipe)
    with pytest.raises(
        ConfigError, match=r"^sweep\.objective: 'base\.pass_at_1' is not a figure of these runs; they make eval_loss, "
    ):
        check_figures(["base.pass_at_1"], "sweep.objective", recipe)
