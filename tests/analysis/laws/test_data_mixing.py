from functools import partial

import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import LAW_STUDIES, mixes
from helpers.studies import mixtures, study_of, study_of_kind

from openr1.analysis import fit
from openr1.analysis.charts import chart_study
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.fit.result import Fit
from openr1.analysis.laws import DataMixing
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.report.narrative import answer
from openr1.system.errors import ConfigError

WEB, CODE = "data.sources.web.weight", "data.sources.code.weight"
TWO = {
    "E": 1.5,
    "C_web": 3.0,
    "C_code": 2.0,
    "gamma_web": 0.3,
    "gamma_code": 0.6,
    "A": 40.0,
    "alpha": 0.25,
    "B": 300.0,
    "beta": 0.3,
}
FORMS = {
    "additive": TWO,
    "joint": {
        **{name: TWO[name] for name in list(TWO)[:5]},
        **{"A_web": 40.0, "A_code": 90.0, "gamma_A": 1.5, "alpha": 0.25},
        **{"B_web": 300.0, "B_code": 100.0, "gamma_B": 0.7, "beta": 0.3},
    },
    "exponential": {"c": 2.0, "R_web": 0.6, "R_code": 1.5},
}
LAWS = [DataMixing(form=form, weights=[WEB, CODE]) for form in FORMS]


def runs(law, noise=0.0, sizes=3, tokens=3, levels=10):
    """Return runs of two sources with the losses of a law."""
    n, d, web = (
        part.ravel()
        for part in np.meshgrid(np.geomspace(1e8, 2e9, sizes), np.geomspace(1e9, 1e11, tokens), np.linspace(0, 1, levels + 1))
    )
    if not law.scaled:
        n, d, web = (values[: levels + 1] for values in (np.full_like(n, 1e8), np.full_like(d, 1e9), web))
    frame = pd.DataFrame({WEB: web, CODE: 1 - web, "N": n, "D": d})
    loss = law.predict(np.array([list(FORMS[law.form].values())]), frame)[0]
    return frame.assign(loss=loss * np.exp(np.random.default_rng(0).normal(0, noise, len(frame))))


def test_the_laws_are_the_formulas_of_the_papers():
    frame = pd.DataFrame({WEB: [0.3], CODE: [0.7], "N": [1e8], "D": [1e9]})
    additive, joint, exponential = (law.predict(np.array([list(FORMS[law.form].values())]), frame)[0, 0] for law in LAWS)
    mix = 1.5 + 1 / (3 * 0.3**0.3 + 2 * 0.7**0.6)
    assert additive == pytest.approx(mix + 40 * 1e8**-0.25 + 300 * 1e9**-0.3)
    a = (0.3 * 40 ** (1 / 1.5) + 0.7 * 90 ** (1 / 1.5)) ** 1.5
    b = (0.3 * 300 ** (1 / 0.7) + 0.7 * 100 ** (1 / 0.7)) ** 0.7
    assert joint == pytest.approx(mix + a * 1e8**-0.25 + b * 1e9**-0.3)
    k, web, code = 0.5, np.log(0.6 / 0.5), np.log(1.5 / 0.5)
    assert exponential == pytest.approx(2.0 + k * np.exp(web * 0.3 + code * 0.7))


@pytest.mark.parametrize("law", LAWS)
def test_the_law_is_found_again(law):
    frame = runs(law)
    result = law.estimate(frame)
    found = dict(zip(law.names, result.params[0], strict=True))
    assert law.predict(result.params, frame)[0] == pytest.approx(frame["loss"].to_numpy(), rel=1e-4)
    for name in ("C_web", "C_code", "gamma_web", "gamma_code", "beta", "c", "R_web", "R_code"):
        if name in found and law.form != "joint":
            assert found[name] == pytest.approx(FORMS[law.form][name], rel=0.05), name


def test_a_loss_over_several_domains_has_its_best_mix_inside():
    law = DataMixing(form="exponential", weights=[WEB, CODE], domains=2)
    web = np.linspace(0, 1, 13)
    frame = pd.DataFrame({WEB: web, CODE: 1 - web, "loss": 2 + 0.3**web * 1.5 ** (1 - web) + 1.8**web * 0.4 ** (1 - web)})
    result = law.estimate(frame)
    assert law.predict(result.params, frame)[0] == pytest.approx(frame["loss"].to_numpy(), rel=1e-3)
    fine = np.linspace(0, 1, 2001)
    best = fine[np.argmin(0.3**fine * 1.5 ** (1 - fine) + 1.8**fine * 0.4 ** (1 - fine))]
    assert law.optimum(result.params, np.zeros(2))[0, 0] == pytest.approx(best, abs=0.03)
    single = DataMixing(form="exponential", weights=[WEB, CODE])
    assert single.optimum(np.array([[2.0, 0.6, 1.5]]), np.zeros(2))[0] == pytest.approx([1, 0], abs=1e-5)


@pytest.mark.parametrize("law", LAWS)
def test_the_best_mix_is_the_lowest_of_all_mixes(law):
    params = np.array([list(FORMS[law.form].values())])
    web = np.linspace(0, 1, 10001)
    for n, d in ((1e8, 1e9), (1e11, 1e10)):
        losses = law.predict(params, pd.DataFrame({WEB: web, CODE: 1 - web, "N": n, "D": d}))[0]
        assert law.optimum(params, np.zeros(2), n, d)[0, 0] == pytest.approx(web[losses.argmin()], abs=1e-3)


def test_only_the_joint_law_moves_the_best_mix_with_size():
    for law in LAWS[:2]:
        params = np.array([list(FORMS[law.form].values())])
        small, large = (law.optimum(params, np.zeros(2), n, 1e10)[0, 0] for n in (1e7, 1e12))
        assert (abs(small - large) > 0.05) == (law.form == "joint")


@pytest.mark.parametrize("law", [*LAWS, DataMixing(form="exponential", weights=[WEB, CODE], domains=2)])
def test_the_slopes_are_those_of_the_curve_and_units_do_not_matter(law):
    frame = runs(LAWS[0])
    x = law.points(frame).x
    params = [np.array([[0.7], [1.3]]) + 0.1 * i for i in range(len(law.parameters))]
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    for closed, stepped in zip(slopes, by_step, strict=True):
        np.testing.assert_allclose(np.broadcast_to(closed, stepped.shape), stepped, rtol=1e-9, atol=1e-13)
    scale = dict.fromkeys(law.weights, 1.0) | {"N": 3.0, "D": 7.0}
    rescaled = law.rescaled(dict(zip(law.names, params, strict=True)), scale)
    scaled = Inputs(**{name: value / scale[name] for name, value in vars(x).items()})
    np.testing.assert_allclose(law.curve(scaled, *rescaled.values()), values, rtol=1e-12)


def test_weights_are_shares_whatever_their_sum_and_type():
    frame = runs(LAWS[0])
    texts = frame.assign(**{name: (3 * frame[name]).astype(str) for name in (WEB, CODE)})
    assert LAWS[0].estimate(texts).params == pytest.approx(LAWS[0].estimate(frame).params)


def test_the_sources_are_those_whose_weights_change_in_the_study(tmp_path):
    frame = runs(LAWS[0], noise=0.002).assign(**{"data.sources.math.weight": 0.25})
    result = fit(frame, "data_mixing", bootstrap=Bootstrap(20))
    assert result.law.weights == [WEB, CODE]
    assert set(result.params) == set(TWO)
    result.save(tmp_path)
    assert Fit.load(tmp_path) == result


@pytest.mark.parametrize(
    ("frame", "law", "message"),
    [
        (
            mixtures() / 4,
            DataMixing(),
            r"law\.weights: a mix has two sources or more; .* these look like weights: web, code, math$",
        ),
        (mixtures(), DataMixing(weights=["web", "cod"]), r"law\.weights: there is no column 'cod'"),
        (
            mixtures().assign(web=-1.0),
            DataMixing(weights=["web", "code"]),
            r"law\.weights: web is missing or negative in row 0",
        ),
        (mixtures(), DataMixing(weights=["web", "web"]), r"law\.weights: two columns are of the same source"),
        (runs(LAWS[0]).assign(other=0.0), DataMixing(weights=[WEB, CODE, "other"]), "the share of other is 0 in all runs"),
        (runs(LAWS[0], sizes=2), LAWS[1], r"law\.form: joint needs runs of three or more N; there are 2"),
        (runs(LAWS[0]), LAWS[2], r"law\.form: exponential is a law of runs of one N"),
        (runs(LAWS[0], sizes=1, tokens=1, levels=4), LAWS[0], "has 5 parameters and needs at least 6 points; there are 5"),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(frame, law, message):
    with pytest.raises(ConfigError, match=message):
        fit(frame, law, bootstrap=Bootstrap(0))


def test_a_term_that_the_runs_cannot_show_is_named():
    frame = runs(LAWS[0], sizes=1, tokens=2)
    result = fit(frame, LAWS[0], bootstrap=Bootstrap(0))
    assert {name: result.params[name] for name in ("A", "alpha", "beta")} == {"A": 0, "alpha": 0, "beta": 1}
    assert result.predict(frame) == pytest.approx(frame["loss"].to_numpy(), rel=1e-4)
    assert "all runs have the same N, so that its term is part of E" in result.diagnostics["warnings"]
    assert any("two values of D do not determine beta, which is set to 1" in line for line in result.diagnostics["warnings"])


def test_the_report_has_the_best_mix_with_its_interval():
    study = study_of_kind("data_mixing")
    params = np.array([[1.5, 3, 2, 1, 0.3, 0.5, 0.4, 40, 0.25, 300, 0.3]])
    truth = DataMixing(weights=["web", "code", "math"]).optimum(params, np.zeros(3))[0]
    least = study.main.law.least_shares(study.runs.frame)
    value, low, high = study.main.value_and_interval(partial(study.main.law.optimum, least=least))
    assert value == pytest.approx(truth, abs=0.05)
    assert (low <= value).all()
    assert (value <= high).all()
    sentence, same, *_ = answer(study)
    assert sentence.startswith("For 1B parameters on 20B tokens, the best mix is 4")
    assert "the same at every N and D" in same
    marks = chart_study(study)["mixing"].panels[0].marks
    assert marks[1].x == pytest.approx(value, abs=1e-3)


def test_the_best_mix_promises_nothing_of_traces_that_no_run_had():
    share = np.array([1, 0.9, 0.75, 0.5, 0.25, 0])  # of the first source; the second one helps at any share, and not at none
    losses = {2e5: [4.16, 3.80, 3.85, 4.05, 4.26, 11.2], 4e5: [3.68, 3.33, 3.38, 3.58, 3.86, 14.5]}
    rows = [pd.DataFrame({WEB: share, CODE: 1 - share, "N": 5e4, "D": d, "loss": loss}) for d, loss in losses.items()]
    frame = pd.concat(rows, ignore_index=True)
    result = fit(frame, DataMixing(weights=[WEB, CODE]), bootstrap=Bootstrap(resamples=0))
    best = result.law.optimum(result.vector, result.law.least_shares(frame), 5e4, 4e5)[0]
    assert best == pytest.approx([0.9, 0.1], abs=0.01)
    at_best = result.predict(pd.DataFrame({WEB: [best[0]], CODE: [best[1]], "N": [5e4], "D": [4e5]}))
    assert at_best <= result.predict(frame)[6:].min() + 1e-6


@pytest.mark.parametrize("most", [1.0, 0.3])
def test_a_mix_beyond_the_runs_is_called_an_extrapolation(tmp_path, most):
    frame = runs(LAWS[0], sizes=1, tokens=1, levels=30)
    study = study_of(tmp_path, frame[frame[WEB] <= most], "law=data_mixing")
    least = study.main.law.least_shares(study.runs.frame)
    outside = any("No run has so extreme a share of" in sentence for sentence in answer(study))
    assert outside == (study.main.law.optimum(study.main.vector, least)[0, 0] > most + 0.01)
    assert outside == (most < 1)


def test_every_form_has_a_study():
    assert {f"data_mixing{', ' + form if form != 'additive' else ''}" for form in FORMS} <= set(LAW_STUDIES)
    assert mixes(3, 4).sum(axis=1) == pytest.approx(1)
