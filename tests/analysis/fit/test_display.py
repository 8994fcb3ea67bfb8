import numpy as np
import pytest

from openr1.analysis import Bootstrap, Fit, fit
from openr1.system.errors import ConfigError

SMALL = Bootstrap(resamples=100)


@pytest.fixture
def fitted(runs):
    return fit(runs(noise=0.003, budgets=6, sizes=6), bootstrap=SMALL)


def test_a_fit_reads_as_its_law_and_its_parameters(fitted):
    shown = repr(fitted)
    assert shown.startswith("Parametric law (chinchilla): L(N, D) = E + A N^-alpha + B D^-beta\n36 points")
    assert all(f"  {name} " in shown for name in fitted.params)
    assert "<table>" in fitted._repr_html_()


def test_a_warning_with_markup_is_shown_as_text(fitted):
    fitted.diagnostics["warnings"].append("<script>")
    assert "<script>" not in fitted._repr_html_()


def test_the_frame_and_the_latex_have_every_parameter(fitted):
    table = fitted.to_frame()
    assert list(table.index) == list(fitted.params)
    assert table["estimate"].to_dict() == fitted.params
    assert (table["low"] < table["high"]).all()
    latex = fitted.to_latex()
    assert r"$\alpha$" in latex
    assert latex.count(r"\\") == len(fitted.params) + 1


def test_the_interval_of_a_run_holds_about_its_share_of_new_runs(runs):
    result = fit(runs(noise=0.01, budgets=8, sizes=8), bootstrap=SMALL)
    new = runs(noise=0.01, budgets=8, sizes=8, seed=1)
    run, curve = (result.predict(new, interval=kind) for kind in ("run", "curve"))
    assert np.mean(new["loss"].between(run["low"], run["high"])) > 0.88
    assert np.mean(new["loss"].between(curve["low"], curve["high"])) < 0.6
    assert (run["predicted"] == result.predict(new)).all()
    with pytest.raises(ConfigError, match="interval: must be curve or run, not 'rum'"):
        result.predict(new, interval="rum")


def test_a_figure_has_the_runs_and_the_best_allocation(fitted, tmp_path):
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert fitted.plot(ax=ax) is ax
    assert ax.get_legend_handles_labels()[1] == ["measured", "predicted", "best allocation"]
    fitted.save(tmp_path)
    with pytest.raises(ValueError, match="has no runs to draw"):
        Fit.load(tmp_path).plot(ax=ax)
