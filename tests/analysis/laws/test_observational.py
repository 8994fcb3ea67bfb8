import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import model_scores

from openr1.analysis import Bootstrap, Fit, Holdout, fit
from openr1.analysis.laws import Observational
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

NONE = Bootstrap(0)
NAMES = ["knowledge", "maths", "code", "commonsense"]


def runs(noise=0.0, **options):
    return tidy(model_scores(noise=noise, **options), needs=("family", "N", "D")).frame


def law(skills=2, **options):
    return Observational(benchmarks=list(NAMES), skills=skills, chance={"knowledge": 0.25}, **options)


def long(table):
    kept = ["name", "family", "N", "D"]
    return table.melt(id_vars=kept, value_vars=NAMES, var_name="benchmark", value_name="score").rename(columns={"name": "run"})


def test_scores_without_noise_are_fitted_exactly():
    frame = runs()
    result = fit(frame, law(), bootstrap=NONE)
    rows = law().fitted_rows(frame)
    assert result.predict(rows) == pytest.approx(rows["score"].to_numpy(), abs=1e-4)
    assert result.params["log N: skill 1"] == pytest.approx(0.5, abs=0.01)
    assert result.params["log D: skill 2"] == pytest.approx(0.5, abs=0.01)
    assert result.params["alpha: skill 1"] == pytest.approx(0.2, abs=0.01)
    assert result.params["code: loading 2"] == pytest.approx(0.9, abs=0.02)


def test_larger_models_of_known_families_are_predicted_with_intervals():
    result = fit(runs(noise=0.01), law(), Holdout(query="N > 2e10"), Bootstrap(40))
    points = result.holdout["points"]
    assert len(points) == 4 * 4
    assert result.holdout["mean_absolute_error"] < 0.04
    assert all(row["low"] < row["predicted"] < row["high"] for row in points)


def test_a_table_of_either_shape_gives_the_same():
    wide = runs(noise=0.01)
    table = long(model_scores(noise=0.01))
    first = fit(wide, law(), bootstrap=NONE)
    second = fit(tidy(table, needs=("family", "N", "D", "benchmark", "score")).frame, law(), bootstrap=NONE)
    assert second.params == pytest.approx(first.params)


def test_missing_scores_are_left_out():
    frame = runs()
    frame.loc[::3, "code"] = np.nan
    result = fit(frame, law(), bootstrap=NONE)
    assert result.n_points == 4 * len(frame) - frame["code"].isna().sum()
    assert result.params["code: loading 2"] == pytest.approx(0.9, abs=0.02)


def test_a_fit_is_saved_with_its_families_and_benchmarks(tmp_path):
    frame = runs(noise=0.01)
    result = fit(frame, law(), bootstrap=Bootstrap(10))
    result.save(tmp_path)
    loaded = Fit.load(tmp_path)
    assert loaded.law.families == ["alpha", "beta", "delta", "gamma"]
    assert loaded.predict(law().fitted_rows(frame)) == pytest.approx(result.predict(law().fitted_rows(frame)))


@pytest.mark.parametrize(("skills", "x"), [(1, "ND"), (2, "N"), (3, "ND")])
def test_the_slopes_are_those_of_the_curve(skills, x):
    ready, rows = law(skills, x=x).prepare(runs(noise=0.01))
    inputs = ready.points(rows).x
    rng = np.random.default_rng(0)
    params = [rng.normal(0, 0.5, (2, 1)) for _ in ready.parameters]
    values, slopes = ready.slopes(inputs, *params)
    assert len(slopes) == len(params)
    _, stepped = super(Observational, ready).slopes(inputs, *params)
    for closed, exact in zip(slopes, stepped, strict=True):
        assert np.broadcast_to(closed, values.shape) == pytest.approx(np.broadcast_to(exact, values.shape), rel=1e-8, abs=1e-12)


def test_a_family_with_one_model_is_named():
    frame = runs(noise=0.01)
    frame = frame[(frame["family"] != "beta") | (frame["N"] == frame["N"].min())].reset_index(drop=True)
    warnings = fit(frame, law(), bootstrap=NONE).diagnostics["warnings"]
    assert any("1 of 4 families have one model" in warning and warning.endswith("beta") for warning in warnings)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"benchmarks": []}, lambda frame: frame, "law.benchmarks: name the columns of scores, or give benchmark and score"),
        ({"benchmarks": ["poetry"]}, lambda frame: frame, "law.benchmarks: there is no column 'poetry'"),
        ({"skills": 5}, lambda frame: frame, "law.skills: 5 skills need as many benchmarks; there are 4"),
        (
            {},
            lambda frame: frame.assign(maths=100 * frame["maths"]),
            "law.benchmarks: scores must be shares from 0 to 1; they range",
        ),
        ({}, lambda frame: frame.assign(maths=np.nan), "law.benchmarks: no row has a score of maths"),
    ],
)
def test_tables_that_cannot_be_fitted_are_refused(options, change, message):
    with pytest.raises(ConfigError, match=message):
        fit(change(runs()), Observational(**{"benchmarks": list(NAMES), **options}), bootstrap=NONE)


def test_an_unknown_family_is_not_predicted():
    result = fit(runs(), law(), Holdout(query="family == 'beta'"), NONE)
    assert result.holdout is None
    assert any("was fitted without the family beta, and cannot predict it" in line for line in result.diagnostics["warnings"])


@pytest.mark.parametrize(("models", "words"), [(2, "needs more models than the 3 slopes and 2 families"), (3, "")])
def test_models_that_do_not_determine_the_slopes_are_refused(models, words):
    rng, rows = np.random.default_rng(0), []
    for family in ("a", "b"):
        for n in np.geomspace(1e9, 5e10, models):
            d = 10 ** rng.uniform(11.5, 12.8)
            skill = 0.35 * np.log(n / 1e9) + 0.25 * np.log(d / 1e12) + rng.normal(0, 0.05)
            scores = {name: 1 / (1 + np.exp(-load * skill)) for name, load in (("p", 1), ("q", 1.3), ("r", 0.7), ("s", 0.5))}
            rows.append({"family": family, "N": n, "D": d, **scores})
    law = Observational(benchmarks=["p", "q", "r", "s"])
    if words:
        with pytest.raises(ConfigError, match=f"^law: observational {words}"):
            fit(pd.DataFrame(rows), law, bootstrap=Bootstrap(0))
    else:
        warnings = fit(pd.DataFrame(rows), law, bootstrap=Bootstrap(0)).diagnostics["warnings"]
        assert any("6 models hardly determine the 3 slopes and 2 families" in warning for warning in warnings)
