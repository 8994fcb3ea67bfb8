import numpy as np
import pandas as pd
import pytest

from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

NEEDS = ("N", "D", "loss")
SETS = {"five": [3, 11, 20, 33, 40], "a third": range(0, 48, 3), "half": range(0, 48, 2), "a budget": range(8)}


def study(seed=0, noise=0.003):
    """Return six budgets of eight sizes, 25 million to 12.6 billion parameters."""
    budgets = np.repeat(np.geomspace(1e18, 1e21, 6), 8)
    n = np.round(0.1 * np.sqrt(budgets) * np.tile(np.geomspace(0.25, 4, 8), 6))
    d = np.round(budgets / 6 / n)
    loss = (1.8 + 480 * n**-0.35 + 2100 * d**-0.37) * np.exp(np.random.default_rng(seed).normal(0, noise, 48))
    return pd.DataFrame({"N": n, "D": d, "C": 6 * n * d, "loss": loss})


def changed(frame, rows, **factors):
    frame = frame.copy()
    for key, factor in factors.items():
        frame.loc[list(rows), key] = (
            factor(frame.loc[list(rows), key]) if callable(factor) else frame.loc[list(rows), key] * factor
        )
    return frame


@pytest.mark.parametrize("rows", SETS.values(), ids=SETS)
@pytest.mark.parametrize(("key", "factor"), [("N", 1e3), ("N", 1e6), ("D", 1e3), ("D", 1e6), ("D", 1e9)])
def test_rows_in_thousands_or_millions_are_refused_without_flops_too(rows, key, factor):
    given = changed(study(), rows, **{key: 1 / factor})
    with pytest.raises(ConfigError, match=rf"^columns\.{key}: \d+ of 48 rows are in another unit than the others: row \d+ \("):
        tidy(given.drop(columns="C"), needs=NEEDS)
    with pytest.raises(ConfigError, match=r"another unit than|times 6ND"):
        tidy(given, needs=NEEDS)


def test_rows_whose_losses_fit_a_thousand_times_their_n_are_named_with_the_way_to_keep_them():
    given = changed(study(), SETS["five"], N=1e-3).drop(columns="C")
    with pytest.raises(
        ConfigError,
        match=r"5 of 48 rows are in another unit than the others: row 3 \(82033\.5\), row 11 .* and 2 more, whose losses fit"
        r" 1000 times that N; give all rows in parameters, or write units=\{'N': 1\} to keep them$",
    ):
        tidy(given, needs=NEEDS)
    assert len(tidy(given, needs=NEEDS, units={"N": 1}).frame) == 48


@pytest.mark.parametrize("unit", [1e-9, 1 / 8.64e19, 1e-18, np.log10], ids=["GFLOPs", "PF-days", "EFLOPs", "logarithms"])
@pytest.mark.parametrize("needs", [NEEDS, ("N", "D", "C", "loss")])
def test_rows_with_c_in_another_unit_are_refused(unit, needs):
    with pytest.raises(ConfigError, match="5 of 48 rows"):
        tidy(changed(study(), SETS["five"], C=unit), needs=needs)


def test_rows_with_c_in_gflops_are_refused_without_n_and_d():
    with pytest.raises(ConfigError, match=r"^columns\.C: 16 of 48 rows are in another unit"):
        tidy(changed(study(), SETS["a third"], C=1e-9)[["C", "loss"]], needs=("C", "loss"))


def test_a_row_among_the_others_is_said_and_not_refused():
    given = changed(study(), [47], N=1e-3).drop(columns="C")  # 12.6 million parameters, where others have 25 million
    (warning,) = tidy(given, needs=NEEDS).warnings
    assert warning.startswith(
        "N: 1 of 48 rows may be in another unit than the others: row 47 (12649100), whose losses fit 1000 times"
    )


def test_flops_that_follow_from_n_and_d_confirm_nothing():
    given = changed(study(), SETS["five"], N=1e-3).drop(columns="C")
    with pytest.raises(ConfigError, match=r"^columns\.N: 5 of 48 rows"):
        tidy(given, needs=NEEDS, flops_6nd=True)
    (warning,) = tidy(study().assign(N=lambda rows: rows["N"] / 1e3).drop(columns="C"), needs=NEEDS, flops_6nd=True).warnings
    assert warning.startswith("there are 18 thousand tokens per parameter in the median, which is many; for N in thousands")


@pytest.mark.parametrize("rows", SETS.values(), ids=SETS)
def test_losses_of_which_some_are_perplexities_are_refused(rows):
    for given in (study(), study().drop(columns="C")):
        with pytest.raises(ConfigError, match=r"^columns\.loss: the loss of \d+ of 48 rows is a perplexity"):
            tidy(changed(given, rows, loss=np.exp), needs=NEEDS)
    (warning,) = tidy(changed(study(), [47], loss=np.exp), needs=NEEDS).warnings
    assert warning.startswith(
        "the loss of 1 of 48 rows may be a perplexity, as if its logarithm were to be taken: row 47 (10.3)"
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("low", "high"), [(0.3, 3.0), (2.5, 5.5)])
def test_small_studies_of_easy_data_raise_no_alarm(seed, low, high):
    random = np.random.default_rng(seed)
    n, d = (grid.ravel() for grid in np.meshgrid(np.geomspace(3e4, 1e6, 5), np.geomspace(1e5, 1e7, 5)))
    share = 0.4 * np.log(n / 3e4) / np.log(33) + 0.6 * np.log(d / 1e5) / np.log(100)
    small = pd.DataFrame({"N": n, "D": d, "loss": (high - (high - low) * share) * np.exp(random.normal(0, 0.05, 25))})
    assert tidy(small, needs=NEEDS).warnings == []
    assert tidy(small.assign(C=6 * n * d * random.uniform(1, 4, 25)), needs=NEEDS).warnings == []


@pytest.mark.parametrize("seed", range(6))
def test_wide_studies_with_failed_runs_and_other_data_are_never_refused(seed):
    random = np.random.default_rng(seed)
    n = 10 ** random.uniform(5, 10.5, 60)
    d = 20 * n * 10 ** random.normal(0, 0.7, 60)
    loss = (1.5 + 100 * n**-0.3 + 300 * d**-0.3) * np.exp(random.normal(0, 0.02, 60))
    loss[:4] *= random.uniform(1.3, 3, 4)
    loss[4:12] *= 0.8
    tidy(pd.DataFrame({"N": n, "D": d, "loss": np.minimum(loss, 10.8)}), needs=NEEDS)


def test_idle_experts_teachers_and_compute_of_another_kind_are_no_other_unit():
    idle = study()
    idle.loc[::2, "N"] *= 30  # all parameters of a mixture of experts, among dense models
    assert "more than a factor of ten" in " ".join(tidy(idle, needs=NEEDS).warnings)
    taught = changed(study(), range(0, 48, 3), C=500.0).assign(teacher_loss=2.0)
    assert len(tidy(taught, needs=(*NEEDS, "teacher_loss")).frame) == 48
    hours = changed(study(), range(0, 48, 3), C=1e-9)
    assert len(tidy(hours, needs=NEEDS, units={"C": 1}).frame) == 48


def test_tables_without_n_and_d_that_may_be_in_gflops_are_said():
    (warning,) = tidy(study().assign(C=lambda rows: rows["C"] / 1e9)[["C", "loss"]], needs=("C", "loss")).warnings
    assert warning == "the largest C is 1e+12 FLOPs; for GFLOPs, write units={'C': 1e9}"
    assert tidy(study()[["C", "loss"]], needs=("C", "loss")).warnings == []
