import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import REUSE, reused_problems

from openr1.analysis import Bootstrap, fit, tidy
from openr1.analysis.laws import RlDataReuse
from openr1.system.errors import ConfigError

NONE = Bootstrap(0)
# error rates of a model of 7B after 10, 20, 40, 60 and 100 steps of 512 problems, each of which comes tau times by then: read
# by eye, to about .002, off the smoothed lines of the figure "Data Reuse on Base model (7B)" in the repository of the authors
# of arXiv 2509.25300, tanzelin430/Mathematical-Reasoning-RL-Scaling-Law
TAN = {
    1: (0.762, 0.738, 0.716, 0.706, 0.702),
    2: (0.772, 0.746, 0.732, 0.719, 0.686),
    20: (0.798, 0.754, 0.726, 0.716, 0.705),
    25: (0.799, 0.756, 0.725, 0.715, 0.707),
    50: (0.792, 0.758, 0.735, 0.726, 0.718),
    100: (0.778, 0.760, 0.741, 0.732, 0.725),
}


def study(seeds=1, **options):
    return tidy(reused_problems(seeds, **options), needs=RlDataReuse().needs, zero_compute=True).frame


def test_the_law_is_found_again_from_answers_and_from_problems():
    frame = study(noise=0)
    assert fit(frame, RlDataReuse(), bootstrap=NONE).params == pytest.approx(REUSE, rel=1e-4)
    problems = frame.assign(D=frame["D"] / 4).drop(columns="rollouts")
    assert fit(problems, RlDataReuse(), bootstrap=NONE).params == pytest.approx(REUSE, rel=1e-4)


def test_slopes_are_those_of_differences():
    law, frame = RlDataReuse(), study(noise=0, seeds=1)
    frame = frame[frame["D"] > 0]
    x = law.points(frame).x
    params = [np.array([[value]]) for value in (0.5, 0.9, 1.3, 1.4, 6.0)]
    values, slopes = law.slopes(x, *params)
    for place, slope in enumerate(slopes):
        up, down = ([*params] for _ in range(2))
        up[place], down[place] = params[place] * (1 + 1e-6), params[place] * (1 - 1e-6)
        expected = (law.curve(x, *up) - law.curve(x, *down)) / (2e-6 * params[place])
        assert slope == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert values == pytest.approx(law.curve(x, *params))


def test_a_pass_ceases_to_pay_where_its_worth_falls_below_the_share():
    law = RlDataReuse(worth=0.25)
    last = law.last_paying(np.array([list(REUSE.values())]))[0]
    assert np.exp(-(last - 1) / REUSE["R_D"]) == pytest.approx(0.25)


@pytest.mark.slow
def test_intervals_hold_the_last_pass_that_pays_about_as_often_as_they_say():
    held = []
    for seed in range(12):
        result = fit(study(seeds=3, seed=seed, noise=0.02), RlDataReuse(), bootstrap=Bootstrap(100, seed=seed))
        _, low, high = result.value_and_interval(result.law.last_paying)
        held += [low <= 1 + REUSE["R_D"] * np.log(2) <= high]
    assert np.mean(held) >= 0.75


def test_the_published_pass_rates_lose_little_up_to_25_passes_and_more_at_100():
    rows = [
        {"U": 51200 / tau, "D": 512.0 * steps, "pass_at_1": 1 - error, "run": str(tau)}
        for tau, errors in TAN.items()
        for steps, error in zip((10, 20, 40, 60, 100), errors, strict=True)
    ]
    result = fit(pd.DataFrame(rows), RlDataReuse(), bootstrap=NONE)
    last = result.law.last_paying(result.vector)[0]
    assert 3 < last < 100  # between passes that hardly cost anything there and those that do


def test_runs_that_still_gain_from_repeats_do_not_show_where_they_cease_to_pay():
    frame = study(noise=0)
    assert not any("do not show where" in text for text in fit(frame, RlDataReuse(), bootstrap=NONE).diagnostics["warnings"])
    few = frame[frame["D"] / 4 < 3 * frame["U"]].reset_index(drop=True)
    assert any(
        "do not show where reuse ceases" in text for text in fit(few, RlDataReuse(), bootstrap=NONE).diagnostics["warnings"]
    )


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"U": 64.0}, {}, "law: rl_data_reuse needs runs of several numbers of unique problems U; all have 64"),
        ({"D": 0.0}, {}, r"columns=\{'D': \.\.\.\}: no row has learned from a problem"),
        ({"pass_at_1": -0.1}, {}, "pass_at_1: 80 of 80 values are missing, negative or infinite"),
        ({"pass_at_1": 2.0}, {}, r"columns=\{'pass_at_1': \.\.\.\}: must be from 0 to 1"),
        ({"pass_at_1": np.nan}, {}, "pass_at_1: 80 of 80 values are missing"),
        ({"D": 4.0}, {}, "needs runs that repeat problems; the most passes over them are 0.0156"),
        ({}, {"worth": 1.0}, "law.worth: "),
        ({}, {"R0": 1.0}, "law.R0: "),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(change, options, words):
    with pytest.raises(ConfigError, match=words):
        fit(study().assign(**change), RlDataReuse(**options), bootstrap=NONE)
