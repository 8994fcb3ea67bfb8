import numpy as np
import pandas as pd
import pytest

from openr1.analysis.laws.hyperparameter import Hyperparameter
from openr1.system.errors import ConfigError

LR = (1.79, -0.713, 0.307)
BATCH = (0.58, 0.0, 0.571)
SIZES, TOKENS = np.geomspace(6e7, 1e9, 4), np.geomspace(2e9, 1e11, 5)


def best(n, d, truth=LR):
    return truth[0] * n ** truth[1] * d ** truth[2]


def grid(sizes=SIZES, tokens=TOKENS, rates=7, batches=1, noise=0.0, cliff=0.0, seed=0):
    """Return rates, and batches, a factor of 2 apart, around a best value that is off the grid by up to half of that."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        for d in tokens:
            shift_lr, shift_batch = rng.uniform(-0.3, 0.3, 2)
            for i in np.arange(rates) - rates // 2:
                for j in np.arange(batches) - batches // 2:
                    x, y = np.log(2) * i + shift_lr, np.log(2) * j + shift_batch * (batches > 1)
                    loss = 2.5 + 0.03 * x**2 + 0.015 * y**2 - 0.015 * x * y + cliff * max(x, 0) ** 4 + rng.normal(0, noise)
                    rows.append((n, d, best(n, d) * np.exp(x), best(n, d, BATCH) * np.exp(y), loss))
    frame = pd.DataFrame(rows, columns=["N", "D", "lr", "batch", "loss"])
    return frame if batches > 1 else frame.drop(columns="batch")


def drawn(law, frame, resamples=200):
    rng = np.random.default_rng(1)
    weights, strata = np.zeros((resamples, len(frame))), law.strata(frame)
    for label in np.unique(strata):
        rows = np.flatnonzero(strata == label)
        weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=resamples)
    return weights


def names(law):
    return [parameter.name for parameter in law.parameters]


def test_the_best_learning_rate_is_found_again():
    result = Hyperparameter().estimate(grid())
    assert result.params[0] == pytest.approx(LR)
    assert result.value[0] == pytest.approx(0, abs=1e-12)
    assert result.warnings == []
    assert len(result.tables["cells"]) == 20


@pytest.mark.parametrize("batch", [False, True])
def test_the_optimum_of_learning_rate_and_batch_size_is_found_together(batch):
    law = Hyperparameter(batch=batch)
    result = law.estimate(grid(rates=5, batches=5)).params[0]
    assert result == pytest.approx([*LR, *BATCH] if batch else LR, abs=1e-8)
    assert names(law)[:3] == ["lr_coefficient", "lr_N_exponent", "lr_D_exponent"]
    assert names(law)[3:] == (["batch_coefficient", "batch_N_exponent", "batch_D_exponent"] if batch else [])
    assert ("batch" in law.needs) == batch
    assert all(name in law.formula for name in names(law))


def test_of_two_batch_sizes_that_of_the_best_run_counts():
    frame = grid().assign(batch=1e5)
    other = frame.assign(batch=2e5, lr=2 * frame["lr"], loss=frame["loss"] + 0.01)
    result = Hyperparameter().estimate(pd.concat([frame, other], ignore_index=True))
    assert result.params[0] == pytest.approx(LR)
    assert {row["batch"] for row in result.tables["cells"]} == {1e5}
    assert {row["runs"] for row in result.tables["cells"]} == {14}


def test_a_batch_size_that_is_not_known_of_every_run_is_none():
    frame = grid().assign(batch=np.nan)
    frame.loc[::2, "batch"] = 1e5
    assert Hyperparameter().estimate(frame).params[0] == pytest.approx(LR)
    with pytest.raises(ConfigError, match=r"20 of 20 cells are left out .fewer than three batch sizes"):
        Hyperparameter(batch=True).estimate(frame)


def test_tokens_that_differ_by_a_training_step_are_of_one_cell():
    frame = grid()
    frame["D"] *= np.random.default_rng(0).uniform(1, 1.002, len(frame))
    result = Hyperparameter().estimate(frame)
    assert len(result.tables["cells"]) == 20
    assert result.params[0] == pytest.approx(LR, rel=2e-3)


def test_runs_far_from_the_best_do_not_count():
    frame = grid(rates=11, cliff=0.02)

    def off(nearest):
        params = Hyperparameter(nearest=nearest).estimate(frame).params
        return np.abs(np.log(Hyperparameter().predict(params, frame)[0] / best(frame["N"], frame["D"]))).max()

    assert off(3) < off(5) < 0.25 < off(11)
    changed = frame.assign(loss=frame["loss"].where(frame["loss"] < 2.8, 9))
    assert Hyperparameter().estimate(changed).params == pytest.approx(Hyperparameter().estimate(frame).params)


def spoilt(change):
    """Return a grid whose first cell is changed."""
    frame = grid(rates=5, batches=5)
    first = (frame["N"] == SIZES[0]) & (frame["D"] == TOKENS[0])
    return pd.concat([frame[~first], change(frame[first])], ignore_index=True)


@pytest.mark.parametrize(
    ("batch", "change", "reason"),
    [
        (False, lambda cell: cell[cell["lr"] >= cell["lr"].median()], "the best learning rate is at the edge of the grid"),
        (False, lambda cell: cell[cell["lr"] <= cell["lr"].median()], "the best learning rate is at the edge of the grid"),
        (True, lambda cell: cell[cell["batch"] >= cell["batch"].median()], "the best batch size is at the edge of the grid"),
        (True, lambda cell: cell[cell["batch"] == cell["batch"].median()], "fewer than three batch sizes"),
        (False, lambda cell: cell[cell["lr"] == cell["lr"].median()], "fewer than three learning rates"),
        (
            False,
            lambda cell: cell[(cell[["lr", "batch"]] == cell[["lr", "batch"]].median()).any(axis=1)],
            "too few runs near the best one",
        ),
        (
            False,
            lambda cell: cell[cell["batch"] == cell["batch"].median()].assign(loss=[0.01, 0, 1.1, 2.4, 3.9]),
            "the minimum is beyond the grid",
        ),
        (
            False,
            lambda cell: cell.assign(loss=(5 - cell["loss"]).where(cell["loss"] > cell["loss"].min(), 2.1)),
            "the loss does not curve upward",
        ),
    ],
)
def test_a_cell_without_an_optimum_is_left_out_and_named(batch, change, reason):
    result = Hyperparameter(batch=batch).estimate(spoilt(change))
    assert result.params[0, :3] == pytest.approx(LR)
    row = result.tables["cells"][0]
    assert row["excluded"] == reason
    assert np.isnan([row["lr"], row["batch"], row["loss"]]).all()
    assert result.warnings == [f"1 of 20 cells are left out ({reason}): 60M on 2B tokens"]


@pytest.mark.parametrize(
    ("sizes", "tokens", "expected", "warning"),
    [
        (
            SIZES[:1],
            TOKENS,
            (LR[0] * SIZES[0] ** LR[1], 0, LR[2]),
            "N is the same in all cells, so that exponents of N are set to 0",
        ),
        (
            SIZES,
            TOKENS[:1],
            (LR[0] * TOKENS[0] ** LR[2], LR[1], 0),
            "D is the same in all cells, so that exponents of D are set to 0",
        ),
    ],
)
def test_what_does_not_vary_has_no_exponent(sizes, tokens, expected, warning):
    result = Hyperparameter().estimate(grid(sizes, tokens))
    assert result.params[0] == pytest.approx(expected)
    assert result.warnings == [warning]


def test_one_cell_gives_its_best_learning_rate_everywhere():
    result = Hyperparameter().estimate(grid(SIZES[:1], TOKENS[:1]))
    assert result.params[0] == pytest.approx((best(SIZES[0], TOKENS[0]), 0, 0))
    assert len(result.warnings) == 2


def test_sizes_and_tokens_that_vary_together_share_an_exponent():
    frame = pd.concat([grid([n], [20.0 * n], seed=i) for i, n in enumerate(SIZES)], ignore_index=True)
    result = Hyperparameter().estimate(frame)
    assert result.params[0] == pytest.approx((LR[0] * 20 ** LR[2], LR[1] + LR[2], 0))
    assert result.warnings == [
        "N and D vary together over the cells, so that exponents of D are set to 0 and those of N cover both"
    ]


def test_the_optima_are_what_is_predicted():
    law = Hyperparameter()
    frame = spoilt(lambda cell: cell[cell["lr"] <= cell["lr"].median()]).assign(C=lambda runs: 6 * runs["N"] * runs["D"])
    optima = law.fitted_rows(frame)
    assert list(optima) == ["N", "D", "C", "lr", "batch", "loss"]
    assert len(optima) == 19
    assert law.observed(optima) == pytest.approx(best(optima["N"], optima["D"]))
    assert optima["C"].to_numpy() == pytest.approx(6 * optima["N"] * optima["D"])
    assert optima["loss"].to_numpy() == pytest.approx(2.5)
    predicted = law.predict(np.array([LR, (2.0, 0, 0)]), optima)
    assert predicted == pytest.approx(np.stack([law.observed(optima), np.full(19, 2.0)]))


def test_the_bootstrap_draws_runs_within_cells_and_near_the_best():
    law = Hyperparameter()
    frame = grid(rates=9)
    strata = law.strata(frame)
    assert len(np.unique(strata)) == 2 * 20
    assert frame.groupby(strata)[["N", "D"]].nunique().max().max() == 1
    assert sorted(np.unique(strata, return_counts=True)[1]) == [4] * 20 + [5] * 20


def test_a_resample_is_the_fit_of_the_runs_drawn():
    law = Hyperparameter(batch=True)
    frame = grid(rates=5, batches=5, noise=0.001)
    result = law.estimate(frame).params
    weights = np.random.default_rng(0).integers(1, 4, size=(3, len(frame))).astype(float)
    draws = law.resample(frame, result, np.concatenate([np.ones((1, len(frame))), weights]))
    assert draws[0] == pytest.approx(result[0])
    for row, draw in zip(weights, draws[1:], strict=True):
        assert draw == pytest.approx(law.estimate(frame.assign(weight=row)).params[0])
        repeated = frame.loc[np.repeat(np.arange(len(frame)), row.astype(int))].reset_index(drop=True)
        assert draw == pytest.approx(law.estimate(repeated).params[0])


def test_the_resamples_spread_as_repeated_studies_do():
    law = Hyperparameter()
    studies = [grid(SIZES, TOKENS[:2], rates=5, batches=5, noise=0.002, seed=seed) for seed in range(30)]
    repeated = np.concatenate([law.estimate(study).params for study in studies]).std(axis=0)[1:]
    resampled = [law.resample(study, None, drawn(law, study)).std(axis=0)[1:] for study in studies[:5]]
    assert np.mean(resampled, axis=0) == pytest.approx(repeated, rel=0.5)


def test_a_resample_that_loses_its_optima_determines_nothing():
    law = Hyperparameter()
    frame = grid()
    weights = np.ones((2, len(frame)))
    weights[1, frame["N"] > SIZES[0]] = 0
    draws = law.resample(frame, law.estimate(frame).params, weights)
    assert np.isnan(draws).all(axis=1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("options", "frame", "message"),
    [
        ({"batch": True}, grid(), "runs.columns.batch: law.batch=true needs this column; name it"),
        ({}, grid().assign(lr=0.0), "runs.columns.lr: must be above 0 in every run"),
        ({}, grid(rates=2), "with an inner optimum; 20 of 20 cells are left out .fewer than three learning rates.: .*, ..."),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(options, frame, message):
    with pytest.raises(ConfigError, match=message):
        Hyperparameter(**options).estimate(frame)


def test_two_points_make_no_parabola():
    with pytest.raises(ConfigError, match=r"law\.nearest: must be from 3 to 1e\+06, not 2"):
        Hyperparameter(nearest=2)
