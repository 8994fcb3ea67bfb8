import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import ROLLOUTS, group_sizes

from openr1.analysis import Bootstrap, fit, tidy
from openr1.analysis.laws import RlIsocompute
from openr1.analysis.laws.group_sizes import Budgets
from openr1.analysis.laws.saturation import fit_saturation, saturation
from openr1.system.errors import ConfigError

NONE = Bootstrap(0)


def study(**options):
    return tidy(group_sizes(**options), needs=RlIsocompute().needs).frame


def test_the_law_and_the_best_numbers_are_found_again():
    result = fit(study(noise=0), RlIsocompute(), bootstrap=NONE)
    assert result.params == pytest.approx(ROLLOUTS, rel=1e-6)
    best = [row["rollouts"] for row in result.tables["budgets"]]
    assert best == pytest.approx([ROLLOUTS["rollouts_coefficient"] * (1e11 * 3**i) ** 0.35 for i in range(5)], rel=1e-6)


def test_the_best_problems_of_a_step_are_found_beside():
    result = fit(study(noise=0), RlIsocompute(prompts=True), bootstrap=NONE)
    assert result.params["rollouts_exponent"] == pytest.approx(0.35, rel=1e-6)
    assert result.params["prompts_exponent"] == pytest.approx(0, abs=1e-6)
    assert result.law.optimum(result.vector, "prompts", 1e12)[0, 0] == pytest.approx(32, rel=1e-6)


def test_problems_that_vary_with_the_rollouts_are_not_taken_for_them():
    frame = study(noise=0)
    before = 0.005 * np.log(frame["prompts"] / 32) ** 2
    frame["prompts"] = 8 * np.sqrt(frame["rollouts"]) * 2.0 ** (np.arange(len(frame)) % 2)
    frame["pass_at_1"] += before - 0.02 * np.log(frame["prompts"] / 32) ** 2
    assert fit(frame, RlIsocompute(), bootstrap=NONE).params == pytest.approx(ROLLOUTS, rel=1e-4)
    without = fit(frame.drop(columns="prompts"), RlIsocompute(), bootstrap=NONE)
    assert without.params["rollouts_exponent"] < 0.33


def test_intervals_hold_the_exponent_and_the_best_number_about_as_often_as_they_say():
    held = []
    for seed in range(30):
        result = fit(study(seed=seed, noise=0.008), RlIsocompute(), bootstrap=Bootstrap(200, seed=seed))
        low, high = result.ci95["rollouts_exponent"]
        [[below, above]] = result.interval_of(lambda params: result.law.optimum(params, "rollouts", 8.1e12)).T  # noqa: B023
        best = ROLLOUTS["rollouts_coefficient"] * 8.1e12**0.35
        held += [low <= 0.35 <= high, below <= best <= above]
    assert np.mean(held) > 0.85


def test_problems_that_follow_from_rollouts_are_no_axis_of_their_own():
    frame = study(noise=0)
    frame["pass_at_1"] += 0.005 * np.log(frame["prompts"] / 32) ** 2  # the effect that problems have there
    frame["prompts"] = 256 / frame["rollouts"]
    assert fit(frame, RlIsocompute(), bootstrap=NONE).params == pytest.approx(ROLLOUTS, rel=1e-6)


@pytest.mark.parametrize("least", [2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("ratio", [1.5, 2, 3])
def test_the_edge_of_any_grid_is_an_edge(least, ratio):
    rollouts = least * ratio ** np.arange(5)  # whose logarithms are rounded in many ways
    rate = 0.7 - 0.02 * np.log(rollouts) - 0.01 * np.log(rollouts) ** 2
    budget = Budgets(pd.DataFrame({"C": 1e12, "rollouts": rollouts, "pass_at_1": rate}), ("rollouts",), 7, None)
    assert budget.table[0]["excluded"] == "the best number of rollouts of a problem is at the smallest that was tried"
    budget = Budgets(pd.DataFrame({"C": 1e12, "rollouts": rollouts, "pass_at_1": rate[::-1]}), ("rollouts",), 7, None)
    assert budget.table[0]["excluded"] == "the best number of rollouts of a problem is at the largest that was tried"


def test_a_best_number_at_an_edge_is_left_out_and_named():
    frame = study(noise=0)
    frame = frame[(frame["C"] < 5e12) | (frame["rollouts"] <= 16)].reset_index(drop=True)
    result = fit(frame, RlIsocompute(), bootstrap=NONE)
    assert result.params == pytest.approx(ROLLOUTS, rel=1e-6)
    text = "is left out, since the best number of rollouts of a problem is at the largest that was tried"
    assert any(text in warning for warning in result.diagnostics["warnings"])


def test_a_resample_whose_best_number_is_beyond_the_grid_has_it_at_the_edge():
    frame = study(budgets=2, noise=0.03, seed=3)
    law = RlIsocompute()
    budgets = law.budgets(frame)
    weights = np.random.default_rng(0).multinomial(len(frame), np.full(len(frame), 1 / len(frame)), 200).astype(float)
    places = np.exp(budgets.optima(weights)[:, :, 0])
    assert np.nanmin(places) >= 2 * (1 - 1e-9)
    assert np.nanmax(places) <= 64 * (1 + 1e-9)


def test_a_number_that_saturates_is_found_again_and_one_that_does_not_is_said():
    log_x = np.log(np.geomspace(1e11, 1e15, 7))
    params, squares = fit_saturation(log_x, saturation(log_x, 60.0, 2e12, 0.8)[None])
    assert params[0] == pytest.approx([60, 2e12, 0.8], rel=0.02)
    assert squares[0] < 1e-5
    warnings = fit(study(noise=0), RlIsocompute(form="saturating"), bootstrap=NONE).diagnostics["warnings"]
    assert any("does not saturate within the runs" in text for text in warnings)


def test_budgets_may_be_named_by_a_column():
    frame = study(noise=0)
    frame["planned"] = frame["C"].astype(str)
    frame["C"] *= 1 + 0.1 * (frame["seed"] - 1)  # runs that end with a whole step
    assert len(fit(frame, RlIsocompute(budget="planned"), bootstrap=NONE).tables["budgets"]) == 5


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"pass_at_1": 1.2}, {}, r"columns=\{'pass_at_1': \.\.\.\}: must be from 0 to 1; it ranges from 1.2 to 1.2"),
        ({"pass_at_1": np.nan}, {}, "pass_at_1: 90 of 90 values are missing"),
        ({"rollouts": 0.0}, {}, "rollouts: 90 of 90 values are missing, not positive or infinite"),
        (
            {"rollouts": 8.0},
            {},
            "needs 2 budgets, .*there are 0; .*fewer than three numbers of rollouts",
        ),
        ({"C": -1.0}, {}, "C: 90 of 90 values are missing, not positive or infinite"),
        ({}, {"budget": "nothing"}, "law.budget: there is no column 'nothing'"),
        ({}, {"prompts": True, "form": "saturating"}, "law.prompts: the best number of problems has a power law"),
        ({}, {"nearest": 2}, "law.nearest: "),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(change, options, words):
    with pytest.raises(ConfigError, match=words):
        fit(study().assign(**change), RlIsocompute(**options), bootstrap=NONE)


def test_one_budget_or_a_column_that_is_missing_is_refused():
    frame = study(noise=0)
    with pytest.raises(ConfigError, match=r"needs 2 budgets, .*there is 1"):
        fit(frame[frame["C"] < 2e11].reset_index(drop=True), RlIsocompute(), bootstrap=NONE)
    with pytest.raises(ConfigError, match=r"columns=\{'rollouts': \.\.\.\}: rl_isocompute needs this column"):
        fit(pd.DataFrame(frame).drop(columns="rollouts"), RlIsocompute(), bootstrap=NONE)
