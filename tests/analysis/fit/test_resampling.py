import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import isoflop_runs

from openr1.analysis import Bootstrap, Holdout
from openr1.analysis.fit.resampling import resampling_groups
from openr1.system.errors import ConfigError


def test_budgets_are_resampled_within():
    strata = np.repeat([1.0, 2.0, 3.0], [4, 5, 6])
    weights = Bootstrap(50).counts(np.arange(15), strata)
    assert np.array_equal(np.unique(weights[:, :4].sum(axis=1)), [4])
    assert np.array_equal(np.unique(weights[:, 9:].sum(axis=1)), [6])
    assert len(np.unique(Bootstrap(50).counts(np.arange(15), None)[:, :4].sum(axis=1))) > 1


@pytest.mark.parametrize("strata", [np.arange(9.0), np.repeat([1.0, 2.0, 3.0, 4.0], [1, 3, 4, 1])])
def test_strata_of_one_run_are_drawn_from_one_another(strata):
    counts = Bootstrap(200).counts(np.arange(9), strata)
    assert (counts.sum(axis=1) == 9).all()
    assert (counts.std(axis=0) > 0).all()


def test_a_single_stratum_of_one_run_is_drawn_with_its_neighbour():
    for strata, together in (([1.0, 2.0, 2.0, 3.0, 3.0], 3), ([1.0, 1.0, 2.0, 3.0, 3.0], 3)):
        counts = Bootstrap(200).counts(np.arange(5), np.array(strata))
        assert (counts[:, :together].sum(axis=1) == together).all()
        assert (counts.std(axis=0) > 0).all()


def test_the_points_of_a_run_stay_together():
    run = np.array(["b", "a", "a", "c", "b", "c", "a"])
    counts = Bootstrap(100).counts(run, None)
    assert counts.shape == (100, 3)
    assert np.array_equal(np.unique(counts.sum(axis=1)), [3])
    assert np.array_equal(Bootstrap().left_out(run), [[0, 1, 1], [1, 0, 1], [1, 1, 0]])


def test_more_runs_than_the_jackknife_leaves_out_one_by_one_are_left_out_in_sets():
    left_out = Bootstrap().left_out(np.repeat(np.arange(1234), 2))
    assert left_out.shape == (500, 1234)
    assert np.array_equal((1 - left_out).sum(axis=0), np.ones(1234))


def test_rows_that_are_all_of_one_run_are_resampled_one_by_one():
    assert resampling_groups(pd.DataFrame({"run": ["a"] * 4})).tolist() == [0, 1, 2, 3]
    assert resampling_groups(pd.DataFrame({"run": ["a", "a", "b"]})).tolist() == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("holdout", "held"),
    [
        (Holdout(), [0, 0, 0, 0, 1, 1]),
        (Holdout(largest_budgets=2), [0, 0, 1, 1, 1, 1]),
        (Holdout(above_flops=1e19), [0, 0, 1, 1, 1, 1]),
        (Holdout(query="N > 1e9 and D < 1e10"), [0, 1, 0, 1, 0, 1]),
        (Holdout(fraction=0.3), [0, 0, 0, 0, 1, 1]),
        (Holdout(largest_budgets=0), None),
    ],
)
def test_what_is_held_out(holdout, held):
    flops = np.repeat([1e18, 1e20, 1e22], 2)
    frame = pd.DataFrame({"N": [1e8, 2e9] * 3, "D": [1e11, 1e9] * 3, "C": flops, "loss": 3.0, "budget": flops})
    mask = holdout.mask(frame)
    assert (mask is None) if held is None else np.array_equal(mask, np.array(held, dtype=bool))


def test_a_share_is_of_the_most_tokens_where_there_are_no_flops():
    assert Holdout(fraction=0.5).mask(pd.DataFrame({"D": [4.0, 1, 3, 2]})).tolist() == [True, False, True, False]
    assert Holdout().mask(pd.DataFrame({"D": [4.0, 1]})) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Holdout(fraction=0.5, query="N > 1"), r"^holdout: choose one of fraction, query"),
        (lambda: Holdout(fraction=1.5), r"^holdout\.fraction: must be above 0 and below 1"),
        (lambda: Holdout(largest_budgets=-1), r"^holdout\.largest_budgets: must be from 0 to 10000"),
        (lambda: Bootstrap(interval="t"), r"^bootstrap\.interval: 't' is not one of bca, percentile"),
        (lambda: Bootstrap(resamples=-1), r"^bootstrap\.resamples: must be at least 2, or 0"),
        (lambda: Holdout(query="Q > 1").mask(isoflop_runs()), r"^holdout\.query: 'Q > 1' selects no rows"),
        (lambda: Holdout(query="N >").mask(isoflop_runs()), r"^holdout\.query: 'N >' selects no rows"),
        (lambda: Holdout(query="N > 0").mask(isoflop_runs()), r"^holdout\.query: holds out 64 of 64 runs"),
        (lambda: Holdout(above_flops=1e28).mask(isoflop_runs()), r"^holdout\.above_flops: holds out 0 of 64 runs, whose FLOPs"),
        (lambda: Holdout(above_flops=1e9).mask(pd.DataFrame({"D": [1.0]})), r"^holdout\.above_flops: the runs have no FLOPs"),
        (
            lambda: Holdout(fraction=0.5).mask(pd.DataFrame({"k": [1.0, 2]})),
            r"^holdout\.fraction: the rows have none of C",
        ),
    ],
)
def test_errors_name_the_key(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
