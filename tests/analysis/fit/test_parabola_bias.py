"""The bias of IsoFLOP parabolas, against a surface whose optimum is known."""

import json

import numpy as np
import pandas as pd
import pytest

from openr1.analysis import Bootstrap, Fit, fit
from openr1.analysis.fit.parabola_bias import bias_at
from openr1.analysis.laws import IsoFlop
from openr1.analysis.sources.frame import tidy

NONE = Bootstrap(0)
TARGET = 1e24


def surface(n, d, alpha, beta):
    return 1.69 + 406.4 * n**-alpha + 410.7 * d**-beta


def optimum(flops, alpha, beta):
    return (alpha * 406.4 / (beta * 410.7) * (flops / 6) ** beta) ** (1 / (alpha + beta))


def profiles(width, alpha=0.34, beta=0.28, noise=0.0, sizes=15):
    """Return five budgets with sizes from 1/width to width times the optimum of each."""
    flops = np.repeat(np.geomspace(1e17, 1e21, 5), sizes)
    n = optimum(flops, alpha, beta) * np.tile(np.geomspace(1 / width, width, sizes), 5)
    d = flops / (6 * n)
    loss = surface(n, d, alpha, beta) * np.exp(np.random.default_rng(0).normal(0, noise, len(n)))
    return tidy(pd.DataFrame({"N": n, "D": d, "C": flops, "loss": loss})).frame


@pytest.mark.parametrize(("width", "shift"), [(2, 0.003), (16, 0.054), (100, 0.155)])
def test_wide_profiles_move_the_optimum_and_the_shift_is_found(width, shift):
    result = fit(profiles(width), "isoflop", bootstrap=NONE)
    bias = bias_at(result.diagnostics["parabola_bias"], TARGET)
    true = optimum(TARGET, 0.34, 0.28)
    assert bias["N_optimal"] == pytest.approx(true, rel=1e-3)
    assert bias["shift"] == pytest.approx(shift, rel=0.1)
    assert bias["shift"] == pytest.approx(result.frontier(TARGET)["N"].iloc[0] / true - 1, abs=0.003)


def test_the_waste_is_the_budget_beyond_the_one_that_reaches_the_same_loss():
    bias = bias_at(fit(profiles(100), "isoflop", bootstrap=NONE).diagnostics["parabola_bias"], TARGET)
    loss = surface(bias["N"], TARGET / (6 * bias["N"]), 0.34, 0.28)
    enough = TARGET * (1 - bias["wasted"])
    best = optimum(enough, 0.34, 0.28)
    assert surface(best, enough / (6 * best), 0.34, 0.28) == pytest.approx(loss, rel=1e-6)
    assert 0.004 < bias["wasted"] < 0.01


def test_a_symmetric_surface_has_no_bias():
    bias = bias_at(fit(profiles(16, 0.31, 0.31), "isoflop", bootstrap=NONE).diagnostics["parabola_bias"], TARGET)
    assert bias["shift"] == pytest.approx(0, abs=1e-3)
    assert bias["wasted"] == pytest.approx(0, abs=1e-5)


def test_noise_changes_the_bias_little():
    clean, noisy = (
        bias_at(fit(profiles(30, noise=noise), "isoflop", bootstrap=NONE).diagnostics["parabola_bias"], TARGET)
        for noise in (0.0, 0.003)
    )
    assert noisy["shift"] == pytest.approx(clean["shift"], abs=0.06)


def test_only_parabolas_have_this_bias_and_it_is_saved(tmp_path):
    runs = profiles(4)
    for law in (IsoFlop(curve="akima"), "chinchilla", "power_law"):
        assert fit(runs, law, bootstrap=NONE).diagnostics["parabola_bias"] is None
    result = fit(runs, "isoflop", bootstrap=NONE)
    result.save(tmp_path)
    assert json.loads((tmp_path / "fit.json").read_text())["diagnostics"]["parabola_bias"]["flops_of"]["exponent"] == 1
    assert Fit.load(tmp_path) == result
