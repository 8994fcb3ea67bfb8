import numpy as np
import pytest
from helpers.law_runs import weight_decays

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws import WeightDecay
from openr1.system.errors import ConfigError


def test_the_best_time_scale_is_found_again():
    result = WeightDecay().estimate(weight_decays(noise=0.0))
    assert result.params[0] == pytest.approx((1.1, -0.52))
    assert len(result.tables["cells"]) == 9
    assert result.warnings == []


def test_a_learning_rate_tells_the_same_as_a_weight_decay():
    frame = weight_decays(noise=0.0)
    swept = frame.assign(lr=frame["lr"] * frame["weight_decay"], weight_decay=1.0)
    assert WeightDecay().estimate(swept).params[0] == pytest.approx((1.1, -0.52))


def test_the_optima_are_what_is_predicted():
    law = WeightDecay()
    cells = law.fitted_rows(weight_decays(noise=0.0))
    assert law.observed(cells) == pytest.approx(1.1 * (cells["D"] / cells["N"]) ** -0.52)
    assert law.predict(np.array([[1.1, -0.52]]), cells)[0] == pytest.approx(law.observed(cells))


def test_intervals_hold_the_truth():
    result = fit(weight_decays(noise=0.001), "weight_decay", bootstrap=Bootstrap(200))
    low, high = result.ci95["tau_exponent"]
    assert low < -0.52 < high
    assert high - low < 0.5


def test_one_ratio_has_no_exponent():
    frame = weight_decays(noise=0.0)
    one = frame[(frame["N"] == frame["N"].min()) & (frame["D"] == frame["D"].min())].reset_index(drop=True)
    result = fit(one, "weight_decay", bootstrap=Bootstrap(20))
    assert result.params == pytest.approx({"tau_coefficient": 1.1 * 20**-0.52, "tau_exponent": 0})
    assert any("D/N is the same in all cells" in warning for warning in result.diagnostics["warnings"])


def test_cells_without_an_inner_optimum_are_left_out():
    frame = weight_decays(noise=0.0)
    cell = (frame["N"] == frame["N"].min()) & (frame["D"] == frame["D"].min())
    weak = cell & (frame["weight_decay"] < frame.loc[cell, "weight_decay"].median())
    result = WeightDecay().estimate(frame[~weak].reset_index(drop=True))
    assert result.params[0] == pytest.approx((1.1, -0.52))
    assert result.warnings == ["1 of 9 cells are left out (the best time scale is at the edge of the grid): 100M on 2B tokens"]
    few = frame.groupby(["N", "D"]).head(2).reset_index(drop=True)
    with pytest.raises(ConfigError, match=r"law: weight_decay needs a cell .*fewer than three time scales"):
        WeightDecay().estimate(few)
