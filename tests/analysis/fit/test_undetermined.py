"""A fit that the runs do not determine gives no advice, no frontier and no tight interval, and says why."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import isoflop_runs
from helpers.studies import study_of

from openr1.analysis import Bootstrap, fit, tidy
from openr1.analysis.fit.undetermined import too_wide
from openr1.analysis.laws import Chinchilla, FormulaLaw, TrainingFlops
from openr1.analysis.laws.numeric_frontier import search_frontier
from openr1.analysis.report.narrative import answer
from openr1.system.errors import ConfigError

SOME = Bootstrap(200)


def along_a_line(jitter, seed=0, count=30):
    """Return runs with D = 20 N times a log-normal deviate."""
    rng = np.random.default_rng(seed)
    n = np.geomspace(1e7, 1e10, count)
    d = 20 * n * np.exp(jitter * rng.standard_normal(count))
    loss = (1.8 + 480 * n**-0.35 + 2000 * d**-0.37) * np.exp(0.003 * rng.standard_normal(count))
    return pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "loss": loss})


@pytest.mark.parametrize(
    ("value", "low", "high", "reason"),
    [
        (1e9, 2e8, 1.9e10, ""),
        (1e9, np.nan, np.nan, ""),
        (1e9, 2e8, 2.1e10, "the 95 % interval of N* spans a factor of 105"),
        (1e9, 0.0, 1e10, "the 95 % interval of N* spans all magnitudes"),
        (1e9, 1e8, np.inf, "the 95 % interval of N* spans all magnitudes"),
        (np.inf, 1e8, np.inf, "by the law, N* is infinite"),
        (0.0, 0.0, 1e8, "by the law, N* is 0"),
    ],
)
def test_an_amount_is_advice_if_its_interval_spans_less_than_a_hundredfold(value, low, high, reason):
    assert too_wide("N*", value, low, high) == reason


@pytest.mark.parametrize("law", ["chinchilla", "overtraining", FormulaLaw()])
def test_a_best_size_that_may_be_any_is_no_advice(law):
    result = fit(tidy(along_a_line(0.03, seed=1)).frame, law, bootstrap=SOME)
    assert "the 95 % interval of N* spans" in result.undetermined
    assert result.undetermined in result.diagnostics["warnings"]
    row = result.frontier(1e24).iloc[0]
    assert row["undetermined"] == result.undetermined
    assert row.drop(["C", "undetermined"]).isna().all()
    assert result.known_at(1e24) == ()
    saved = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert saved["diagnostics"]["undetermined"] == result.undetermined
    assert {row["N"] for row in saved["frontier"]} == {None}
    with pytest.raises(ConfigError, match=r"^loss: the runs do not tell the budget of 2, since even at the largest budget"):
        result.budget_for(2.0)


def test_runs_that_tell_the_best_size_near_them_may_not_tell_it_far_away():
    result = fit(tidy(along_a_line(0.08)).frame, "chinchilla", bootstrap=SOME)
    assert result.undetermined == ""
    near, far = (result.frontier(flops).iloc[0] for flops in (1e21, 1e30))
    assert near["undetermined"] == ""
    assert near["N_high"] < 100 * near["N_low"]
    assert far["undetermined"].startswith("the 95 % interval of N* spans a factor of")
    assert np.isnan(far["N"])


@pytest.mark.parametrize(
    ("jitter", "target"),
    [(0.03, 1e23), (0.08, 1e29)],
)
def test_a_report_says_in_one_sentence_why_there_is_no_advice(tmp_path, jitter, target):
    study = study_of(
        tmp_path,
        along_a_line(jitter, seed=1 if jitter < 0.05 else 0),
        "law=chinchilla",
        f"target_flops={target}",
        "bootstrap.resamples=200",
        "holdout.largest_budgets=0",
    )
    said = answer(study)
    assert said[0].startswith("There is no advice on ")
    assert "the 95 % interval of N* spans" in said[0]
    assert not any("train " in sentence for sentence in said)


def test_the_frontier_of_an_undetermined_fit_has_no_numbers_but_the_reason():
    frame = along_a_line(0)
    result = fit(tidy(frame).frame, "chinchilla", bootstrap=Bootstrap(0))
    assert "D = 20 N" in result.undetermined
    row = result.frontier(1e24).iloc[0]
    assert row["undetermined"] == result.undetermined
    assert row.drop(["C", "undetermined"]).isna().all()


def test_a_formula_of_runs_along_a_line_says_that_they_do_not_tell_its_terms_apart():
    result = fit(tidy(along_a_line(0)).frame, FormulaLaw(), bootstrap=SOME)
    assert "all have D = 20 N" in result.undetermined
    for name, (low, high) in result.diagnostics["flat"].items():
        if name in result.ci95:
            assert (result.ci95[name][0] or 0) <= 1.1 * (low or 0)
            assert (result.ci95[name][1] or np.inf) >= (high or np.inf) / 1.1
    assert any("fit the runs equally" in warning for warning in result.diagnostics["warnings"])


def test_the_frontier_of_a_formula_is_that_of_the_same_law():
    frame = isoflop_runs()
    of_law, of_formula = (fit(frame, law, bootstrap=SOME) for law in ("chinchilla", FormulaLaw()))
    first, second = (result.frontier([1e20, 1e24]).drop(columns="undetermined") for result in (of_law, of_formula))
    pd.testing.assert_frame_equal(first, second, rtol=1e-2)
    assert of_formula.budget_for(2.2)["C"] == pytest.approx(of_law.budget_for(2.2)["C"], rel=1e-3)


def test_a_searched_frontier_is_the_closed_form():
    params, flops_of = np.array([[1.8, 480, 0.35, 2000, 0.37], [1.5, 300, 0.2, 900, 0.4]]), TrainingFlops(7.0, 0.96)
    flops = np.array([1e18, 1e21, 1e25])
    closed = Chinchilla().frontier(params, flops, flops_of)
    for name, values in search_frontier(Chinchilla(), params, flops, flops_of).items():
        np.testing.assert_allclose(values, closed[name], rtol=1e-4)


def test_a_formula_without_a_best_size_says_so():
    frame = isoflop_runs()
    frame["loss"] = 1.8 + 480 * frame["N"] ** -0.35
    result = fit(frame, FormulaLaw(formula="E + A*N**-a + 0*D"), bootstrap=Bootstrap(0))
    assert "by the law, N* is infinite" in result.frontier(1e22)["undetermined"].iloc[0]


def test_a_law_of_compute_of_one_model_size_is_no_advice_on_compute():
    d = np.geomspace(1e9, 1e12, 20)
    noise = np.random.default_rng(0).normal(0, 0.003, 20)
    frame = pd.DataFrame({"N": 1e8, "D": d, "C": 6e8 * d, "loss": (2.5 + 2000 * d**-0.37) * np.exp(noise)})
    result = fit(tidy(frame).frame, "power_law", bootstrap=SOME)
    assert "one model size, so that their best loss is that of more tokens" in result.undetermined
    assert np.isnan(result.frontier(1e22)["loss"].iloc[0])
