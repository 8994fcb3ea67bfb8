"""The short runs that are timed."""

from types import SimpleNamespace

import pytest
from configs import composed

from openr1.work import foresee
from sweeps.pricing.calibration import shortened


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["stage.keep=[7e5]", "optim.warmup_tokens=5e5"],
        ["stage.trunk=pretrain-0123456789abcdef", "optim.warmup_tokens=5e5"],
        ["stage.eval_every_tokens=1e5", "budget.tokens=null", "budget.flops=3e11"],
    ],
)
def test_a_run_of_few_steps_is_as_the_stage_but_short(overrides):
    config = composed("budget.tokens=1e6", *overrides)
    work = foresee(config)
    short = foresee(shortened(SimpleNamespace(config=config, work=work)))
    assert short.budget.steps < work.budget.steps / 4
    assert short.budget.batch_tokens == work.budget.batch_tokens
    assert short.shape == work.shape
    assert short.first_step == 0
