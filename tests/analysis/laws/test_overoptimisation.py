import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import GAO, LAW_STUDIES
from scipy.optimize import minimize_scalar

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws import Overoptimisation
from openr1.system.errors import ConfigError

NONE = Bootstrap(0)


def test_the_law_is_found_again():
    frame, law = LAW_STUDIES["overoptimisation"]()
    assert fit(frame, law, bootstrap=NONE).params == pytest.approx(GAO, rel=0.03)


@pytest.mark.parametrize("method", ["rl", "best_of_n"])
def test_the_optimum_is_where_the_gold_reward_is_highest(method):
    law, params = Overoptimisation(method=method), np.array([[0.2, 0.5, 0.15]])
    [[kl, gold]] = law.optimum(params)
    best = minimize_scalar(
        lambda kl: -law.predict(params, pd.DataFrame({"kl": [kl]}))[0, 0], bounds=(1e-6, 400), options={"xatol": 1e-9}
    )
    assert (kl, gold) == pytest.approx((best.x, -best.fun), rel=1e-6)


def test_a_reward_that_rises_without_end_has_no_optimum():
    assert np.isinf(Overoptimisation().optimum(np.array([[0.0, 0.5, -0.1], [0.0, 0.5, 0.0]]))).all()


def test_a_choice_of_the_best_that_only_harms_is_best_left_out():
    assert Overoptimisation(method="best_of_n").optimum(np.array([[0.3, -0.5, 0.1]])).tolist() == [[0.0, 0.3]]


def test_a_reward_at_the_start_of_0_can_be_given():
    frame, law = LAW_STUDIES["overoptimisation"]()
    frame["gold"] -= GAO["R0"]
    result = fit(frame, law, fix={"R0": 0}, bootstrap=NONE)
    assert result.params == pytest.approx(GAO | {"R0": 0}, rel=0.03)


def test_points_before_the_reward_turns_do_not_show_over_optimisation():
    frame, law = LAW_STUDIES["overoptimisation"]()
    assert not any("does not turn" in text for text in fit(frame, law, bootstrap=NONE).diagnostics["warnings"])
    early = fit(frame[frame["kl"] < 6].reset_index(drop=True), law, bootstrap=NONE)
    assert any("does not turn within the points, up to a KL of" in text for text in early.diagnostics["warnings"])


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"kl": -1.0}, {}, "kl: 40 of 40 values are missing, negative or infinite"),
        ({"gold": np.inf}, {}, "gold: 40 of 40 values are missing or infinite"),
        ({"kl": 0.0}, {}, "law: overoptimisation has 3 parameters and needs as many different values of kl; there are 1"),
        ({}, {"objective": "huber"}, "law.objective: huber takes logarithms; a gold reward of 0 or below needs mse"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(change, options, words):
    frame, _ = LAW_STUDIES["overoptimisation"]()
    with pytest.raises(ConfigError, match=words):
        fit(frame.assign(**change), Overoptimisation(**options), bootstrap=NONE)
