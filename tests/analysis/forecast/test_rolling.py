import numpy as np
import pandas as pd
import pytest

from openr1.analysis.forecast.candidates import candidates
from openr1.analysis.forecast.rolling import origins, scores, validate
from openr1.analysis.laws import Chinchilla


def test_origins_leave_runs_on_both_sides(runs):
    frame = runs(budgets=8, sizes=6)
    for origin in origins(frame):
        assert (frame["C"] <= origin).sum() >= 12
        assert (frame["C"] > origin).sum() >= 2


def test_an_origin_never_divides_the_runs_of_a_budget(runs):
    frame = runs(budgets=8, sizes=6)
    steps = np.random.default_rng(0).uniform(0.99, 1.01, len(frame))  # budgets are met up to a training step
    limits = origins(frame.assign(C=frame["C"] * steps))
    assert limits == pytest.approx(origins(frame), rel=0.02)
    for limit in limits:
        assert not ((frame["C"] * steps > limit) & (frame["C"] < 1.05 * limit)).any()


def test_few_runs_have_no_origin(runs):
    assert origins(runs(budgets=2, sizes=3)) == []


def test_a_run_above_an_origin_is_never_fitted(runs):
    frame = runs(noise=0.003, budgets=6, sizes=6)
    choices = candidates(frame, [Chinchilla()])
    before = validate(frame, choices)
    last = before["origin"].max()
    changed = frame.assign(loss=np.where(frame["C"] > last, 2 * frame["loss"], frame["loss"]))
    after = validate(changed, choices)
    pd.testing.assert_series_equal(before["predicted"], after["predicted"])
    assert not before["error"].equals(after["error"])


def test_the_score_is_the_mean_error_with_later_origins_weighing_more():
    table = pd.DataFrame({"candidate": ["a", "a", "b", "b"], "weight": [1.0, 3.0, 1.0, 3.0], "error": [0.4, -0.1, np.nan, 0.0]})
    assert scores(table).to_dict() == pytest.approx({"a": 0.175, "b": 0.25})
    assert list(scores(table).index) == ["a", "b"]
