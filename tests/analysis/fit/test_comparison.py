import pytest

from openr1.analysis import Bootstrap, compare_nested, fit
from openr1.system.errors import ConfigError

NONE = Bootstrap(resamples=0)


def test_a_true_constraint_is_not_contradicted_and_a_false_one_is(runs, truth):
    frame = runs(noise=0.003, budgets=8, sizes=8)
    free = fit(frame, bootstrap=NONE)
    right = compare_nested(fit(frame, fix={"alpha": truth["alpha"]}, bootstrap=NONE), free, frame)
    wrong = compare_nested(fit(frame, fix={"E": 0}, bootstrap=NONE), free, frame)
    assert right.p > 0.01
    assert wrong.p < 1e-6
    assert wrong.aicc > 0
    assert right.freedom == 1
    assert "do not contradict" in str(right)
    assert "AICc" in str(wrong)


def test_laws_that_are_not_nested_are_refused(runs):
    frame = runs(noise=0.003)
    free = fit(frame, bootstrap=NONE)
    with pytest.raises(ConfigError, match="the smaller law has 5 fitted parameters, the larger one 5"):
        compare_nested(free, free, frame)
    with pytest.raises(ConfigError, match="with the same objective"):
        compare_nested(fit(frame, "isoflop", bootstrap=NONE), free, frame)


def test_laws_of_the_best_runs_are_compared_on_them(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    free = fit(frame, "power_law", bootstrap=NONE)
    assert compare_nested(fit(frame, "power_law", fix={"alpha": 0.1}, bootstrap=NONE), free, frame).freedom == 1
