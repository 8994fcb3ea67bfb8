import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import LAW_STUDIES, MOE
from helpers.studies import experts, study_of_kind
from scipy.optimize import minimize_scalar

from openr1.analysis import fit
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.laws import Chinchilla, Moe, MoeLeverage, TrainingFlops
from openr1.analysis.laws.moe import experts_per_active
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.report.narrative import answer
from openr1.system.errors import ConfigError

PARAMS = np.array([MOE])
LEVERAGE = np.array([[1.7, 1e4, 0.2, 1.2, -0.036]])


def test_the_law_is_the_formula_of_the_paper_with_its_published_coefficients():
    n, d, x = 1e9, 2e10, 8.0
    log_x = np.log(x)
    paper = 35.91 * x**0.2285 * n ** (-0.1889 - 0.0098 * log_x) + 35.98 * x**-0.5529 * d ** (-0.1775 + 0.0259 * log_x) + 1.3637
    frame = pd.DataFrame({"N": [n], "D": [d], "experts": [x]})
    assert Moe().predict(PARAMS, frame)[0, 0] == pytest.approx(paper)


def test_a_dense_model_follows_the_parametric_law():
    frame = pd.DataFrame({"N": [1e8, 1e9], "D": [1e10, 1e11], "experts": 1.0})
    dense = Chinchilla().predict(PARAMS[:, [0, 1, 2, 5, 6]], frame)
    assert Moe().predict(PARAMS, frame) == pytest.approx(dense)


def test_the_number_of_experts_saturates():
    law = Moe(E_start=2.0, E_max=50.0)
    assert law.saturate(np.array([1.0, 1e12])) == pytest.approx([2, 50])
    assert Moe().saturate(np.array([1.0, 7.0])) == pytest.approx([1, 7])
    assert (np.diff(law.saturate(np.arange(1.0, 100))) > 0).all()
    with pytest.raises(ConfigError, match=r"^law\.E_max: must be above law\.E_start, which is 4$"):
        Moe(E_start=4.0, E_max=4.0)


def test_both_laws_are_found_again():
    frame, law = LAW_STUDIES["moe"]()
    exact = frame.assign(loss=law.predict(PARAMS, frame)[0])
    assert law.estimate(exact).params[0] == pytest.approx(PARAMS[0], rel=0.03)
    frame, law = LAW_STUDIES["moe_leverage"]()
    exact = frame.assign(loss=law.predict(LEVERAGE, frame)[0])
    assert law.estimate(exact).params[0] == pytest.approx(LEVERAGE[0], rel=0.05)


@pytest.mark.parametrize("study", [name for name in LAW_STUDIES if name.startswith("moe")])
def test_the_slopes_are_those_of_the_curve_and_units_do_not_matter(study):
    frame, law = LAW_STUDIES[study]()
    x = law.points(frame).x
    params = [np.array([[0.7], [0.3]]) + 0.1 * i for i in range(len(law.parameters))]
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    for closed, stepped in zip(slopes, by_step, strict=True):
        np.testing.assert_allclose(closed, stepped, rtol=1e-9, atol=1e-13)
    scale = dict.fromkeys(law.predictors, 1.0) | {"N": 3.0, "D": 7.0, "C": 5.0}
    rescaled = law.rescaled(dict(zip(law.names, params, strict=True)), scale)
    scaled = Inputs(**{name: value / scale[name] for name, value in vars(x).items()})
    np.testing.assert_allclose(law.curve(scaled, *rescaled.values()), values, rtol=1e-11)


@pytest.mark.parametrize("flops_of", [TrainingFlops(), TrainingFlops(54.0, 0.86)])
def test_the_best_size_with_experts_is_the_lowest_of_the_law(flops_of):
    law, budget = Moe(), 1e21

    def loss(log_n, count):
        n = np.exp(log_n)
        frame = pd.DataFrame({"N": [n], "D": [budget / flops_of(n, 1)], "experts": [count]})
        return law.predict(PARAMS, frame)[0, 0]

    for count in (1.0, 8.0):
        n, d, lowest = law.optimum(PARAMS, budget, count, flops_of)[0]
        best = minimize_scalar(loss, bounds=(15, 28), method="bounded", args=(count,))
        assert lowest == pytest.approx(best.fun, rel=1e-7)
        assert n == pytest.approx(np.exp(best.x), rel=1e-2)
        assert flops_of(n, d) == pytest.approx(budget)


def test_the_leverage_is_the_compute_of_a_dense_model_of_the_same_loss():
    law, budget, count = MoeLeverage(), 1e20, 16.0
    gain = law.leverage(LEVERAGE, budget, count)[0]
    assert gain == pytest.approx((1 / count) ** (1.2 - 0.036 * np.log(budget)))
    mixture = law.predict(LEVERAGE, pd.DataFrame({"C": [budget], "experts": [count]}))
    dense = law.predict(LEVERAGE, pd.DataFrame({"C": [budget * gain], "experts": [1.0]}))
    assert mixture == pytest.approx(dense)
    fine = MoeLeverage(granularity=True)
    with_g = fine.leverage(np.concatenate([LEVERAGE, [[-0.11, 0.023]]], axis=1), budget, count, 8.0)[0]
    assert with_g == pytest.approx((1 / count) ** (1.2 - 0.036 * np.log(budget) - 0.11 * np.log(8) + 0.023 * np.log(8) ** 2))


def test_the_leverage_is_that_of_the_best_run_of_each_budget():
    frame = experts().assign(budget=1e19)
    law = MoeLeverage()
    assert len(law.fitted_rows(frame)) == 3
    assert (law.fitted_rows(frame)["loss"].to_numpy() == frame.groupby("experts")["loss"].min().to_numpy()).all()


def test_experts_count_over_those_that_a_token_uses():
    frame = pd.DataFrame({"experts": [16.0, 2.0], "active_experts": [2.0, 2.0]})
    assert experts_per_active(frame) == pytest.approx([8, 1])
    assert experts_per_active(frame[["experts"]]) == pytest.approx([16, 2])


@pytest.mark.parametrize(
    ("change", "law", "message"),
    [
        ({"experts": 4.0}, Moe(), "law: moe needs runs of several numbers of experts over active ones"),
        ({"active_experts": 32.0}, Moe(), r"columns=\{'experts': \.\.\.\}: must be at least the active experts"),
        (
            {"params_total": 1e8, "params_active": 1e8},
            Moe(),
            r"columns=\{'experts': \.\.\.\}: row \d+ has experts, but all of its",
        ),
        ({"experts": 4.0, "budget": np.arange(27.0)}, MoeLeverage(), "needs runs of at least 2 activation ratios; there is 1"),
        (
            {"granularity": 2.0, "budget": np.arange(27.0)},
            MoeLeverage(granularity=True),
            "needs runs of at least 3 granularities; there is 1",
        ),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(change, law, message):
    with pytest.raises(ConfigError, match=message):
        fit(experts().assign(**change), law, bootstrap=Bootstrap(0))


def test_runs_without_a_dense_model_are_named():
    frame, law = LAW_STUDIES["moe_leverage"]()
    result = fit(frame[frame["experts"] > 1].reset_index(drop=True), law, bootstrap=Bootstrap(0))
    assert any("no run is dense" in line for line in result.diagnostics["warnings"])


def test_the_report_compares_experts_with_a_dense_model():
    dense, mixture, *_ = answer(study_of_kind("moe"))
    assert "FLOPs and a dense model, train" in dense
    assert "FLOPs and 16 experts per active one, train" in mixture
    now, later, *_ = answer(study_of_kind("moe_leverage"))
    assert "a mixture of 16 experts per active one is worth" in now
    assert "10 times as many" in later
