import json

import numpy as np
import pandas as pd
import pytest

from analysis import LAWS, Bootstrap, Fit, Holdout, fit
from analysis.frame import Columns, tidy
from analysis.laws import PowerLaw
from openr1.errors import ConfigError

SMALL = Bootstrap(resamples=60)


@pytest.mark.parametrize("law", LAWS)
def test_held_out_runs_are_predicted_and_never_fitted(runs, law):
    frame = runs(noise=0.003)
    held = frame["budget"] == frame["budget"].max()
    before = fit(frame, law, Holdout(largest_budgets=1), SMALL)
    frame.loc[held, "loss"] *= 1.05
    after = fit(frame, law, Holdout(largest_budgets=1), SMALL)
    assert before.holdout["params"] == after.holdout["params"]
    assert before.params != after.params
    for one, other in zip(before.holdout["points"], after.holdout["points"], strict=True):
        assert one["predicted"] == other["predicted"]
        assert one["loss"] * 1.05 == pytest.approx(other["loss"])
    assert before.holdout["params"] == fit(frame[~held], law, bootstrap=SMALL).params


@pytest.mark.parametrize("law", LAWS)
def test_the_largest_budget_is_predicted_from_the_smaller_ones(runs, law):
    found = fit(runs(noise=0.001), law, Holdout(), SMALL)
    (best,) = found.holdout["budgets"]
    assert found.error == pytest.approx(abs(best["predicted"] / best["loss"] - 1))
    assert found.error < 0.02
    assert best["low"] < best["predicted"] < best["high"]
    assert found.holdout["n"] == 5


def test_runs_above_a_number_of_flops_are_held_out(runs):
    found = fit(runs(), "chinchilla", Holdout(above_flops=1e12), Bootstrap(0))
    assert found.holdout["n"] == 15
    assert found.holdout["largest_fitted"] < 1e12
    assert len(found.holdout["budgets"]) == 3
    assert found.holdout["mean_relative_error"] < 1e-3


@pytest.mark.parametrize("holdout", [Holdout(above_flops=1.0), Holdout(above_flops=1e30), Holdout(largest_budgets=5)])
def test_a_holdout_of_all_or_nothing_is_refused(runs, holdout):
    with pytest.raises(ConfigError, match=r"holdout\.\w+: holds out (0|25) of 25 runs"):
        fit(runs(), "chinchilla", holdout)


def test_a_holdout_that_leaves_too_little_is_a_warning(runs):
    found = fit(runs(), "chinchilla", Holdout(largest_budgets=4), Bootstrap(0))
    assert found.holdout is None
    assert found.error is None
    assert "nothing could be held out: chinchilla has 5 parameters" in found.diagnostics["warnings"][0]


def test_a_law_without_flops_can_be_fitted_but_not_checked(table):
    frame = tidy(table().drop(columns="C"), Columns(C=None)).frame
    assert fit(frame, "chinchilla", bootstrap=Bootstrap(0)).holdout is None
    with pytest.raises(ConfigError, match=r"holdout.largest_budgets: the runs have no FLOPs"):
        fit(frame, "chinchilla", Holdout(), Bootstrap(0))
    with pytest.raises(ConfigError, match=r"runs.columns.C: isoflop needs this column; .* runs.flops_6nd=true"):
        fit(frame, "isoflop")


def test_intervals_cover_the_truth_about_as_often_as_they_say(runs, truth):
    inside = [
        np.mean([low < truth[name] < high for name, (low, high) in found.ci95.items()])
        for found in (fit(runs(noise=0.003, sizes=7, seed=seed), "chinchilla", bootstrap=Bootstrap(60)) for seed in range(8))
    ]
    assert np.mean(inside) > 0.7


def test_the_same_seed_gives_the_same_bits_and_another_does_not(runs):
    frame = runs(noise=0.003)
    one, same, other = (fit(frame, "isoflop", bootstrap=Bootstrap(40, seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.draws, same.draws)
    assert not np.array_equal(one.draws, other.draws)
    assert one.params == other.params


def test_budgets_are_resampled_within():
    strata = np.repeat([1.0, 2.0, 3.0], [4, 5, 6])
    weights = Bootstrap(50).weights(15, strata)
    assert np.array_equal(np.unique(weights[:, :4].sum(axis=1)), [4])
    assert np.array_equal(np.unique(weights[:, 9:].sum(axis=1)), [6])
    assert len(np.unique(Bootstrap(50).weights(15, None)[:, :4].sum(axis=1))) > 1


@pytest.mark.parametrize("law", [*LAWS, PowerLaw(x="N", offset=False)])
def test_a_fit_is_saved_and_loaded_whole(runs, tmp_path, law):
    frame = runs(noise=0.003)
    found = fit(frame, law, Holdout(), SMALL)
    found.save(tmp_path)
    loaded = Fit.load(tmp_path)
    assert loaded == found
    assert np.allclose(loaded.draws, found.draws, rtol=1e-9)
    assert loaded.predict(frame) == pytest.approx(found.predict(frame))
    pd.testing.assert_frame_equal(loaded.frontier([1e13]), found.frontier([1e13]))
    text = (tmp_path / "fit.json").read_text()
    assert "NaN" not in text
    assert {"params", "se", "ci95", "objective", "n_points", "holdout", "diagnostics", "seconds"} <= set(json.loads(text))


def test_the_frontier_has_an_interval_that_widens_beyond_the_runs(runs):
    frontier = fit(runs(noise=0.003), "isoflop", bootstrap=SMALL).frontier([1e12, 1e15])
    assert list(frontier.columns) == ["C", "N", "N_low", "N_high", "D", "D_low", "D_high", "loss", "loss_low", "loss_high"]
    inside, beyond = frontier["N_high"] / frontier["N_low"]
    assert 1 < inside < beyond


def test_a_law_of_size_alone_has_no_frontier(runs):
    found = fit(runs(), PowerLaw(x="N"), bootstrap=Bootstrap(0))
    assert found.frontier(1e13).empty
    assert np.isnan(found.interval(runs())).all()


def test_an_irreducible_loss_that_the_runs_do_not_show_is_named():
    values = np.geomspace(1e6, 1e8, 12)
    frame = tidy(pd.DataFrame({"N": values, "D": values, "C": 6 * values**2, "loss": 40 * values**-0.2})).frame
    found = fit(frame, PowerLaw(x="N"), bootstrap=Bootstrap(0))
    assert found.diagnostics["at_bound"] == ["E"]
    assert "do not determine E" in found.diagnostics["warnings"][0]
