import numpy as np
import pandas as pd
import pytest

from openr1.analysis import Bootstrap, fit_by
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

SMALL = Bootstrap(resamples=50)


@pytest.fixture
def families(table):
    one, two = table(noise=0.002, budgets=6, sizes=6), table(noise=0.002, budgets=6, sizes=6, seed=1)
    two["loss"] = 1.9 + 1.3 * (two["loss"] - 1.9)
    return tidy(pd.concat([one.assign(family="llama"), two.assign(family="qwen")])).frame


def test_shared_parameters_are_equal_and_the_others_are_each_groups_own(families, truth):
    groups = fit_by(families, "family", share=["E", "alpha", "beta"], bootstrap=SMALL)
    llama, qwen = groups.fits["llama"], groups.fits["qwen"]
    for name in ("E", "alpha", "beta"):
        assert llama.params[name] == qwen.params[name]
        assert llama.ci95[name] == qwen.ci95[name]
    assert qwen.params["A"] / llama.params["A"] == pytest.approx(1.3, rel=0.1)
    assert llama.params["E"] == pytest.approx(truth["E"], rel=0.05)
    own = fit_by(families, "family", bootstrap=SMALL)
    assert llama.se["E"] < min(fit.se["E"] for fit in own.fits.values())


def test_the_shared_fit_is_the_optimum_of_the_sum_of_both_groups(families):
    shared = fit_by(families, "family", share=["E"], bootstrap=Bootstrap(resamples=0))
    total = shared.fits["llama"].objective["value"]
    e = shared.fits["llama"].params["E"]
    for value in (0.99 * e, 1.01 * e):
        fixed = fit_by(families, "family", fix={"E": value}, bootstrap=Bootstrap(resamples=0))
        assert sum(fit.objective["value"] for fit in fixed.fits.values()) > total
    best = fit_by(families, "family", fix={"E": e}, bootstrap=Bootstrap(resamples=0))
    assert sum(fit.objective["value"] for fit in best.fits.values()) == pytest.approx(total, rel=1e-5)


def test_groups_with_shared_parameters_are_saved_and_predict(families, tmp_path):
    groups = fit_by(families, "family", share=["E"], bootstrap=SMALL)
    groups.save(tmp_path)
    rows = families[families["family"] == "qwen"]
    error = groups.fits["qwen"].predict(rows) / rows["loss"] - 1
    assert np.abs(error).max() < 0.02


def test_what_cannot_be_shared_is_one_line(families):
    with pytest.raises(ConfigError, match="share: chinchilla has no parameter 'eta'"):
        fit_by(families, "family", share=["eta"], bootstrap=SMALL)
    with pytest.raises(ConfigError, match="share: is for laws that are one curve; isoflop is not"):
        fit_by(families, "family", "isoflop", share=["E"], bootstrap=SMALL)
    with pytest.raises(ConfigError, match="share: needs at least two groups"):
        fit_by(families[families["family"] == "qwen"], "family", share=["E"], bootstrap=SMALL)


def test_the_influence_of_runs_is_that_of_a_groups_own_rows(families):
    groups = fit_by(families, "family", share=["E"], bootstrap=SMALL)
    for name, fitted in groups.fits.items():
        rows = (families["family"] == name).sum()
        assert all(int(row["run"]) < rows for row in fitted.diagnostics["influence"])
        assert {row["parameter"] for row in fitted.diagnostics["influence"]} <= {*fitted.params}
    assert any(fitted.diagnostics["influence"] for fitted in groups.fits.values())
