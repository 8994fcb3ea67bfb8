import numpy as np
import pandas as pd
import pytest

from openr1.analysis import Groups, fit, fit_by
from openr1.analysis.charts.groups import chart_groups
from openr1.analysis.charts.matplotlib import draw, to_bytes
from openr1.analysis.config import compose
from openr1.analysis.fit.resampling import Bootstrap
from openr1.analysis.laws.effective_speedup import TREATED, EffectiveSpeedup
from openr1.analysis.laws.points import Inputs
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.report.narrative import answer
from openr1.analysis.sources.frame import tidy
from openr1.analysis.study import analyse, analyse_groups
from openr1.system.errors import ConfigError

E, A, ALPHA = 1.8, 2.5e4, 0.22
RECIPES = {"base": 1.0, "muon": 2.4, "slow": 0.5}


def runs(noise=0.0, recipes=RECIPES, budgets=8, sizes=(0.0,), growth=0.0, x="C"):
    """Return runs of several recipes, each worth a multiple of its compute that grows as a power of it from 1e20 on."""
    rng, rows = np.random.default_rng(0), []
    for recipe, gain in recipes.items():
        for spent in np.geomspace(1e18, 1e20, budgets):
            effective = spent * gain * ((spent / 1e20) ** growth if gain != 1 else 1)
            for off in sizes:
                loss = E + A * effective**-ALPHA + 0.1 * off**2
                rows.append({"recipe": recipe, x: spent, "loss": loss * np.exp(rng.normal(0, noise))})
    return tidy(pd.DataFrame(rows), needs=(x, "loss"), units_known=True).frame


def pair(frame, reference="base", other="muon"):
    return frame[frame["recipe"].isin([reference, other])].assign(**{TREATED: (frame["recipe"] == other).astype(float)})


def named(result):
    return {name: pytest.approx(value, rel=0.02) for name, value in result.params.items()}


@pytest.mark.parametrize("x", ["C", "D"])
def test_the_saved_compute_of_each_recipe_is_found_again(x):
    groups = fit_by(runs(x=x), "recipe", EffectiveSpeedup(x=x), bootstrap=Bootstrap(0))
    assert list(groups.fits) == ["muon", "slow"]
    for recipe, result in groups.fits.items():
        assert {"E": E, "A": A, "alpha": ALPHA, "speedup": RECIPES[recipe]} == named(result)


def test_another_reference_inverts_the_speedup():
    groups = fit_by(runs(), "recipe", EffectiveSpeedup(reference="muon"), bootstrap=Bootstrap(0))
    assert groups.fits["base"].params["speedup"] == pytest.approx(1 / 2.4, rel=0.01)
    assert groups.fits["slow"].params["speedup"] == pytest.approx(0.5 / 2.4, rel=0.01)


def test_a_recipe_with_an_exponent_of_its_own_saves_more_with_more_compute():
    law = EffectiveSpeedup(shared_exponent=False)
    result = fit(pair(runs(growth=0.2)), law, bootstrap=Bootstrap(0))
    assert result.law.at == 1e20
    assert result.params["speedup"] == pytest.approx(2.4, rel=0.02)
    assert result.params["speedup_exponent"] == pytest.approx(0.2, rel=0.05)
    assert result.law.speedup_at(result.vector, 1e21)[0] == pytest.approx(2.4 * 10**0.2, rel=0.03)
    one = fit(pair(runs(growth=0.2)), EffectiveSpeedup(shared_exponent=False, at=1e18), bootstrap=Bootstrap(0))
    assert one.params["speedup"] == pytest.approx(2.4 * 100**-0.2, rel=0.03)


def test_only_the_best_run_of_each_budget_counts():
    frame = pair(runs(sizes=(-0.5, 0.0, 0.4)))
    law = EffectiveSpeedup()
    assert len(law.fitted_rows(frame)) == 2 * 8
    assert fit(frame, law, bootstrap=Bootstrap(0)).params["speedup"] == pytest.approx(2.4, rel=0.01)


def test_resamples_choose_the_best_of_the_runs_that_they_draw():
    frame = pair(runs(0.002, sizes=(-0.2, 0.0, 0.2))).reset_index(drop=True)
    law = EffectiveSpeedup()
    estimate = law.estimate(frame).params
    everything = np.ones((1, len(frame)))
    assert law.resample(frame, estimate, everything) == pytest.approx(estimate, rel=1e-4)
    without_best = everything.copy()
    best = law.fitted_rows(frame).index
    without_best[0, best] = 0
    alone = law.estimate(frame.drop(best).reset_index(drop=True)).params
    assert law.resample(frame, estimate, without_best) == pytest.approx(alone, rel=0.02)
    result = fit(frame, law, bootstrap=Bootstrap(200))
    assert abs(result.params["speedup"] - 2.4) < 4 * result.se["speedup"]
    low, high = result.ci95["speedup"]
    assert 0.02 < high - low < 0.5


@pytest.mark.parametrize("shared", [True, False])
def test_slopes_are_those_of_the_curve_and_units_do_not_matter(shared):
    law = EffectiveSpeedup(shared_exponent=shared, at=3.0)
    rng = np.random.default_rng(0)
    x = Inputs(C=np.exp(rng.normal(0, 1, 20)), **{TREATED: (rng.random(20) > 0.5).astype(float)})
    params = [np.exp(rng.normal(0, 0.5, (3, 1))) for _ in law.parameters]
    values, slopes = law.slopes(x, *params)
    expected, by_step = CurveLaw.slopes(law, x, *params)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(slopes, by_step, rtol=1e-9, atol=1e-14)
    rescaled = law.rescaled(dict(zip(law.names, params, strict=True)), {"C": 7.0, TREATED: 1.0})
    scaled = law.curve(Inputs(C=x.C / 7.0, **{TREATED: getattr(x, TREATED)}), *rescaled.values())
    np.testing.assert_allclose(scaled, values, rtol=1e-12)


@pytest.mark.parametrize(
    ("frame", "law", "message"),
    [
        (runs(), EffectiveSpeedup(reference="adam"), r"law\.reference: 'adam' is not one of the recipes base, muon, slow"),
        (runs(recipes={"base": 1.0}), EffectiveSpeedup(), "by: effective_speedup compares two recipes or more; .* only base"),
        (runs(budgets=2), EffectiveSpeedup(), "needs at least 5 points; there are 4"),
        (runs(x="D").assign(N=np.arange(24.0) + 1), EffectiveSpeedup(x="D"), r"law\.x: D compares runs of one model size"),
        (runs().drop(range(9, 16)), EffectiveSpeedup(), "3 different values of C of the recipe that is compared with it"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(frame, law, message):
    with pytest.raises(ConfigError, match=message):
        fit_by(
            frame[frame["recipe"] != "slow"] if "points" in message or "values" in message else frame,
            "recipe",
            law,
            bootstrap=Bootstrap(0),
        )


def test_the_column_of_the_recipes_is_asked_for(tmp_path):
    with pytest.raises(ConfigError, match=r"^by: effective_speedup compares groups of runs; .* by=recipe$"):
        fit(runs(), "effective_speedup")
    runs().to_csv(tmp_path / "points.csv", index=False)
    with pytest.raises(ConfigError, match=r"^by: effective_speedup compares groups of runs; .* by=recipe$"):
        analyse(compose(["law=effective_speedup", "runs=csv", f"runs.path={tmp_path / 'points.csv'}"]))


def test_losses_that_no_other_recipe_reached_are_named():
    frame = runs(recipes={"base": 1.0, "muon": 1e4})
    assert (
        "no loss was reached by both"
        in fit(pair(frame), "effective_speedup", bootstrap=Bootstrap(0)).diagnostics["warnings"][0]
    )


def test_a_report_says_what_each_recipe_saves(tmp_path):
    runs(0.001).drop(columns="budget").to_csv(tmp_path / "points.csv", index=False)
    words = ["law=effective_speedup", "by=recipe", "runs=csv", f"runs.path={tmp_path / 'points.csv'}"]
    study = analyse_groups(compose([*words, "bootstrap.resamples=20", f"out={tmp_path / 'out'}"]))
    sentence = answer(study.parts["muon"])[0]
    assert sentence.startswith("muon reaches the loss of base with 41")
    assert "of its FLOPs: a speed-up of 2.4" in sentence
    for chart in chart_groups(study).values():
        to_bytes(draw(chart), "svg")
    curves = chart_groups(study)["groups"]
    assert {mark.name for mark in curves.panels[0].marks} >= {"base", "muon", "slow"}
    study.groups.save(tmp_path / "groups")
    assert Groups.load(tmp_path / "groups").fits["muon"] == study.groups.fits["muon"]
