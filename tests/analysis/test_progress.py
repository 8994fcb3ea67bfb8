"""The line that says what an analysis is doing."""

from helpers.law_runs import isoflop_runs

from openr1.analysis import Bootstrap, fit, forecast
from openr1.analysis.progress import telling


def test_a_fit_says_how_far_its_resamples_are():
    steps = []
    with telling(steps.append):
        fit(isoflop_runs(), "chinchilla", bootstrap=Bootstrap(resamples=40))
    assert any("best of many starts, 64 runs" in step for step in steps)
    assert any("40 resamples, 0% done" in step for step in steps)


def test_a_forecast_says_which_law_it_tries():
    steps = []
    with telling(steps.append):
        forecast(isoflop_runs(4, 5), 1e23, bootstrap=Bootstrap(resamples=0))
    assert any(step.startswith("forecast: chinchilla") for step in steps)


def test_nobody_asked_means_nothing_is_printed(capsys):
    fit(isoflop_runs(4, 5), "chinchilla", bootstrap=Bootstrap(resamples=5))
    assert capsys.readouterr() == ("", "")
