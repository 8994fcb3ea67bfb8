import numpy as np
import pandas as pd
import pytest
from helpers.studies import KINDS, study_of

from openr1.analysis import fit
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.laws.downstream import Downstream
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.report.narrative import answer
from openr1.system.errors import ConfigError

KS = (1, 2, 4, 8, 16)
LAWS = [Downstream(), Downstream(chance=0.25), Downstream(x="ND", chance=0.1), Downstream(k=True)]
TRUTH = {
    "C": {"A": 2e3, "alpha": 0.16},
    "ND": {"A": 40.0, "alpha": 0.2, "B": 900.0, "beta": 0.3},
    "k": {"A": 4e3, "alpha": 0.17, "beta": -0.04, "delta": 0.006},
}


def truth(law):
    return TRUTH["k" if law.k else law.x]


def runs(law, noise=0.0):
    """Return runs with the accuracies of a law: a column per k if it has k."""
    n, d = (part.ravel() for part in np.meshgrid(np.geomspace(1e8, 1e10, 5), np.geomspace(1e9, 3e11, 4)))
    frame = pd.DataFrame({"N": n, "D": d, "C": 6 * n * d})
    params = np.array([list(truth(law).values())])
    rng = np.random.default_rng(0)
    for k in KS if law.k else (1,):
        frame[f"pass_at_{k}"] = law.predict(params, frame.assign(k=float(k)))[0] + rng.normal(0, noise, len(frame))
    return frame


def test_the_law_is_the_formula_of_the_paper():
    frame = pd.DataFrame({"C": [1e20], "N": [1e9], "D": [1e10], "k": [4.0]})
    plain = Downstream().predict(np.array([[2e3, 0.16]]), frame)[0, 0]
    assert -np.log(plain) == pytest.approx(2e3 * 1e20**-0.16)
    both = Downstream(x="ND").predict(np.array([[40, 0.2, 900, 0.3]]), frame)[0, 0]
    assert -np.log(both) == pytest.approx(40 * 1e9**-0.2 + 900 * 1e10**-0.3)
    passed = Downstream(k=True).predict(np.array([[4e3, 0.17, -0.04, 0.006]]), frame)[0, 0]
    log_c, log_k = np.log(1e20), np.log(4)
    assert np.log(-np.log(passed)) == pytest.approx(np.log(4e3) - 0.17 * log_c + 0.04 * log_k - 0.006 * log_c * log_k)


def test_accuracy_rises_from_chance_to_one():
    ends = pd.DataFrame({"C": [1e3, 1e60]})
    assert Downstream(chance=0.25).predict(np.array([[2e3, 0.16]]), ends)[0] == pytest.approx([0.25, 1])


@pytest.mark.parametrize("law", LAWS)
def test_the_law_is_found_again(law):
    result = law.estimate(runs(law))
    assert dict(zip(law.names, result.params[0], strict=True)) == {
        name: pytest.approx(value, rel=0.02) for name, value in truth(law).items()
    }


@pytest.mark.parametrize("law", LAWS)
def test_the_slopes_are_those_of_the_curve_and_units_do_not_matter(law):
    x, scale = law.points(runs(law)).x, {name: 2.0 + i for i, name in enumerate(law.predictors)}
    params = [np.array([[0.7], [0.3]]) + 0.1 * i for i in range(len(law.parameters))]
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(slopes, by_step, rtol=1e-9, atol=1e-15)
    rescaled = law.rescaled(dict(zip(law.names, params, strict=True)), scale)
    scaled = Inputs(**{name: value / scale[name] for name, value in vars(x).items()})
    np.testing.assert_allclose(law.curve(scaled, *rescaled.values()), values, rtol=1e-12)


def test_a_row_per_k_is_the_same_as_a_column_per_k():
    law = Downstream(k=True)
    wide = runs(law, noise=0.01)
    long = law.fitted_rows(wide)
    assert len(long) == len(KS) * len(wide)
    assert law.estimate(long).params == pytest.approx(law.estimate(wide).params)


def test_a_value_of_k_that_a_run_lacks_is_left_out():
    law = Downstream(k=True)
    wide = runs(law)
    wide.loc[[0, 3], "pass_at_16"] = np.nan
    assert len(law.fitted_rows(wide)) == len(KS) * len(wide) - 2
    assert law.estimate(wide).params[0] == pytest.approx(list(truth(law).values()), rel=0.02)


def test_a_resample_draws_a_run_with_all_its_k():
    law = Downstream(k=True)
    wide = runs(law, noise=0.01)
    estimate = law.estimate(wide).params
    counts = np.random.default_rng(1).multinomial(len(wide), np.full(len(wide), 1 / len(wide)), size=3)
    for i, draw in enumerate(law.resample(wide, estimate, counts.astype(float))):
        drawn = wide.loc[np.repeat(wide.index, counts[i])].reset_index(drop=True)
        assert law.predict(draw[None], law.fitted_rows(drawn)) == pytest.approx(
            law.predict(law.estimate(drawn).params, law.fitted_rows(drawn)), abs=1e-3
        )


def test_only_pass_rates_at_one_k_have_a_profile():
    profiled = Bootstrap(20, profile=True)
    law = Downstream(chance=0.25)
    low, high = fit(runs(law, 0.01), law, bootstrap=profiled).intervals["profile"]["alpha"]
    assert low < 0.16 < high
    law = Downstream(k=True)
    with pytest.raises(ConfigError, match=r"^bootstrap\.profile: downstream is not one curve through independent points"):
        fit(runs(law, 0.01), law, bootstrap=profiled)


@pytest.mark.parametrize(
    ("law", "change", "message"),
    [
        (Downstream(), {"C": 1e20}, "law: downstream needs runs of several values of C; all have 1e\\+20"),
        (Downstream(), {"pass_at_1": 1.5}, r"runs\.columns\.pass_at_1: must be from 0 to 1; it ranges from 1\.5"),
        (Downstream(chance=0.9), {}, r"law\.chance: no run is more accurate than 0\.9"),
        (Downstream(objective="huber"), {"pass_at_1": [0.0, *[0.5] * 19]}, r"law\.objective: huber takes logarithms"),
        (Downstream(k=True), {}, r"runs\.columns\.k: law\.k=true needs k and coverage"),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(law, change, message):
    with pytest.raises(ConfigError, match=message):
        law.estimate(runs(Downstream()).assign(**change))


def test_options_that_exclude_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"^law\.k: pass@k is a law of C; set law\.x=C$"):
        Downstream(x="ND", k=True)


def test_the_advice_is_an_accuracy_beyond_the_runs(tmp_path):
    table, words, _ = KINDS["downstream"]
    assert "10 times the largest run, expect an accuracy of" in answer(study_of(tmp_path, table(), *words))[0]
    law = Downstream(k=True)
    study = study_of(tmp_path, runs(law), "law=downstream", "law.k=true")
    assert "expect a pass@k of" in answer(study)[0]
    assert "at k = 16" in answer(study)[0]
