"""Metrics of preferences against numbers drawn from known odds."""

import numpy as np
import pytest

from openr1.evaluation.preferences import (
    accuracy,
    calibration_bins,
    calibration_error,
    calibration_slope,
    log_loss,
    preference_markdown,
    preference_metrics,
    preference_table,
)


def drawn(slope: float, pairs: int = 4000) -> np.ndarray:
    """Differences of rewards whose odds are those of ``slope`` times the difference."""
    rng = np.random.default_rng(0)
    size = np.abs(rng.normal(size=pairs)) * 2
    right = rng.random(pairs) < 1 / (1 + np.exp(-slope * size))
    return np.where(right, size, -size)


@pytest.mark.parametrize("slope", [0.25, 1.0, 3.0])
def test_the_slope_of_known_odds_is_found(slope):
    found = calibration_slope(drawn(slope))
    assert found.low < slope < found.high
    assert found.mean == pytest.approx(slope, rel=0.15)
    small = calibration_slope(drawn(slope) * 1e-4)  # the unit of the rewards does not matter
    assert small.mean == pytest.approx(found.mean * 1e4)


def test_the_slope_is_the_best_of_all():
    differences = drawn(0.5, 200)
    best = calibration_slope(differences).mean
    assert all(log_loss(best * differences) < log_loss((best + step) * differences) for step in (-0.01, 0.01))


def test_no_finite_slope_is_best_for_pairs_that_are_all_ordered():
    assert calibration_slope(np.array([1.0, 2.0])) is None
    assert calibration_slope(np.array([-1.0, -2.0])) is None
    assert calibration_slope(np.zeros(3)) is None


def test_calibrated_rewards_have_no_error_and_overconfident_ones_have():
    good, bold = (calibration_error(calibration_bins(differences)) for differences in (drawn(1.0), drawn(0.25) * 2))
    assert good < 0.03
    assert bold > 0.15
    rows = calibration_bins(drawn(1.0))
    assert sum(row.pairs for row in rows) == 4000
    assert all(0.5 <= row.low < row.high <= 1 and row.low <= row.predicted <= row.high for row in rows)


def test_accuracy_has_the_interval_of_its_prompts():
    right = np.where(np.arange(200) % 4 == 0, -1.0, 1.0)
    alone = accuracy(right, np.arange(200))
    shared = accuracy(np.repeat(right[:50], 4), np.repeat(np.arange(50), 4))  # four copies of a pair tell no more than one
    assert alone.mean == pytest.approx(0.75)
    assert alone.low < 0.75 < alone.high
    assert shared.high - shared.low > 1.5 * (alone.high - alone.low)
    assert accuracy(np.array([0.0, 1.0]), [1, 2]).mean == 0.75
    assert accuracy(np.ones(20), np.arange(20)).low < 1


def test_rewards_that_say_nothing_are_chance():
    assert log_loss(np.zeros(5)) == pytest.approx(np.log(2))
    assert log_loss(np.array([-1e4, 1e4])) == pytest.approx(5e3)


def test_the_page_says_what_the_metrics_are():
    differences = drawn(1.0, 300)
    rewards = np.stack([differences, np.zeros(300)], axis=1)
    metrics = preference_metrics(rewards, np.arange(300))
    table = preference_table(rewards, metrics)
    page = preference_markdown("Rewards", table)
    assert f"{metrics['eval_accuracy']:.1%}" in page
    assert page.count("\n| 0.") == len(table["bins"])
    certain = np.stack([np.ones(9), np.zeros(9)], axis=1)
    metrics = preference_metrics(certain, np.arange(9))
    assert "calibration_slope" not in metrics
    assert "undefined" in preference_markdown("Rewards", preference_table(certain, metrics))
