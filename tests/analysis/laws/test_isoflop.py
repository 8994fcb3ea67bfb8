import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from openr1.analysis import Bootstrap, fit
from openr1.analysis.laws.allocation import weighted_line
from openr1.analysis.laws.base import TrainingFlops
from openr1.analysis.laws.isoflop import IsoFlop, precisions
from openr1.analysis.numerics.random_effects import scatter_about_line
from openr1.analysis.sources.frame import tidy
from openr1.system.errors import ConfigError

TRUTH = [1.0, 0.45, 1 / 20, 1 - 0.9 * 0.45, 1.7, 200, 0.14]


def parabolas(exponent=0.45, budgets=5, sizes=7, shift=0.0, noise=0.0, seed=0):
    """Return runs whose loss is a parabola in log N around N* = C^exponent, with C = 20 N^0.9 D."""
    rng = np.random.default_rng(seed)
    rows = []
    for flops in np.geomspace(1e17, 1e19, budgets):
        optimum = flops**exponent
        for n in optimum * np.geomspace(0.25, 4, sizes) * np.exp(shift):
            loss = 1.7 + 200 * flops**-0.14 + 0.03 * np.log(n / optimum) ** 2
            rows.append({"N": n, "D": flops / (20 * n**0.9), "C": flops, "loss": loss * np.exp(rng.normal(0, noise))})
    return pd.DataFrame(rows).assign(budget=lambda frame: frame["C"])


def lopsided(sizes=12):
    """Return budgets whose loss is far from a parabola in log N: flat towards large models, steep towards small ones."""
    rows = []
    for flops in np.geomspace(1e18, 1e21, 6):
        for n in 0.1 * np.sqrt(flops) * np.geomspace(0.05, 40, sizes):
            loss = 1.7 + 0.1 * (0.1 * np.sqrt(flops) / n) ** 0.8 + 0.4 * (n / (0.1 * np.sqrt(flops))) ** 0.2
            rows.append({"N": n, "D": flops / (6 * n), "C": flops, "budget": flops, "loss": loss * flops**-0.01})
    return pd.DataFrame(rows)


def draws(frame, resamples, seed=0):
    """Draw counts within each budget."""
    rng, budget = np.random.default_rng(seed), frame["budget"].to_numpy()
    weights = np.zeros((resamples, len(frame)))
    for label in np.unique(budget):
        rows = np.flatnonzero(budget == label)
        weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=resamples)
    return weights


@pytest.mark.parametrize("options", [{}, {"weighted": False}, {"nearest": 5}, {"nearest": 3, "weighted": False}])
def test_the_minima_of_parabolas_are_found_again_without_6nd(options):
    law, frame = IsoFlop(**options), parabolas()
    result = law.estimate(frame)
    assert result.params[0] == pytest.approx(TRUTH, rel=1e-3)
    assert result.params[0, [1, 3]] == pytest.approx([TRUTH[1], TRUTH[3]], rel=1e-6)
    assert result.value == pytest.approx(0, abs=1e-9)
    assert result.warnings == []
    row = result.tables["budgets"][0]
    assert row["loss"] == pytest.approx(1.7 + 200 * 1e17**-0.14)
    assert row["curvature"] == pytest.approx(0.03)
    assert (row["C"], row["runs"], row["excluded"]) == (1e17, 7, "")


def test_akima_has_no_error_of_shape():
    frame = lopsided()
    best = minimize_scalar(lambda x: 0.1 * np.exp(-0.8 * x) + 0.4 * np.exp(0.2 * x), bounds=(-3, 3), options={"xatol": 1e-10})
    true = 0.1 * np.exp(best.x)

    def off(**options):
        return abs(np.log(IsoFlop(weighted=False, **options).estimate(frame).tables["budgets"][0]["N"] / (true * 1e9)))

    assert off(curve="akima") < 0.05
    assert off() > 0.3
    assert off(nearest=5) < off()


def test_akima_goes_through_the_mean_of_the_runs_of_a_size():
    frame = parabolas()
    up, down = (frame.assign(loss=frame["loss"] * factor) for factor in (1.03, 1 / 1.03))
    law = IsoFlop(curve="akima")
    both = law.estimate(pd.concat([up, down], ignore_index=True))
    assert both.params == pytest.approx(law.estimate(frame).params, rel=1e-6)


def test_an_akima_minimum_may_lie_beside_the_smallest_model():
    frame = parabolas(sizes=4, shift=0.986)  # the smallest is the best, and the curve is lower to its right
    smallest = frame.groupby("budget")["N"].idxmin()
    assert frame.groupby("budget")["loss"].idxmin().equals(smallest)
    result = IsoFlop(curve="akima").estimate(frame)
    assert result.warnings == []
    assert result.tables["budgets"][0]["N"] == pytest.approx(1e17**0.45, rel=0.02)
    with pytest.raises(ConfigError, match="there are 0"):
        IsoFlop().estimate(frame)


@pytest.mark.parametrize("curve", ["parabola", "akima"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda runs: runs[runs["N"] > runs["N"].median()], "the minimum is at or beyond the smallest model"),
        (lambda runs: runs[runs["N"] < runs["N"].median()], "the minimum is at or beyond the largest model"),
        (lambda runs: runs.iloc[2:4], "fewer than three model sizes"),
    ],
)
def test_a_budget_without_a_minimum_is_left_out_and_named(curve, change, reason):
    table, law = parabolas(), IsoFlop(curve=curve)
    good, bad = table[table["C"] < 1e19], change(table[table["C"] >= 1e19])
    result = law.estimate(pd.concat([good, bad], ignore_index=True))
    assert result.params[0] == pytest.approx(law.estimate(good).params[0], rel=1e-6)
    assert result.tables["budgets"][-1]["excluded"] == reason
    assert "N" not in result.tables["budgets"][-1]
    assert result.warnings == [f"1 of 5 budgets are left out ({reason}): 10\u00b9\u2079 FLOPs"]


def test_a_parabola_that_opens_downward_is_left_out():
    table = parabolas()
    last = table["C"] >= 1e19
    table.loc[last, "loss"] = 2 * table.loc[last, "loss"].mean() - table.loc[last, "loss"]
    result = IsoFlop().estimate(table)
    assert result.tables["budgets"][-1]["excluded"] == "the parabola opens downward"
    assert result.params[0, 1] == pytest.approx(0.45, rel=1e-6)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (parabolas(budgets=1), "needs at least 2 budgets whose minimum is inside; there are 1$"),
        (parabolas(shift=3.0), "there are 0; 5 of 5 budgets are left out .the minimum is at or beyond the smallest model"),
    ],
)
def test_too_few_minima_are_refused(frame, message):
    with pytest.raises(ConfigError, match=message):
        IsoFlop().estimate(frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"curve": "cubic"}, "law.curve: 'cubic' is not one of parabola, akima"),
        ({"nearest": 2}, "law.nearest: must be from 3 to"),
        ({"nearest": 5, "curve": "akima"}, "law.nearest: is for parabolas"),
        ({"frontier_delta": 0.0}, "law.frontier_delta: must be above 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        IsoFlop(**options)


def test_three_budgets_are_too_few_for_an_irreducible_loss():
    frame, law = parabolas(budgets=3), IsoFlop()
    result = law.estimate(frame)
    assert result.params[0, 4] == 0
    assert "3 points are too few to fit an irreducible loss" in result.warnings[0]
    assert (law.resample(frame, result.params, draws(frame, 20))[:, 4] == 0).all()


def test_a_weighted_line_is_least_squares():
    rng = np.random.default_rng(0)
    x, y, weights = rng.normal(0, 1, 6), rng.normal(0, 1, (3, 6)), rng.uniform(0.1, 2, (3, 6))
    weights[1, 2] = 0
    y[1, 2] = np.nan
    intercept, slope = weighted_line(x, y, weights)
    for i in range(3):
        used = weights[i] > 0
        fitted = np.polyfit(x[used], y[i, used], 1, w=np.sqrt(weights[i, used]))
        assert [slope[i], intercept[i]] == pytest.approx(list(fitted))
    assert np.isnan(weighted_line(x, y[:1], np.eye(6)[:1])[1]).all()


def test_precise_budgets_weigh_more():
    assert precisions([0.1, 0.2, 0.1]) == pytest.approx(np.array([4, 1, 4]) / 3)
    assert precisions([1e-9, 0.1, 0.1])[0] == pytest.approx(4 * precisions([1e-9, 0.1, 0.1])[1])  # at most
    assert precisions([0.1, np.nan, 0.1]) == pytest.approx(np.ones(3))
    assert precisions([np.nan, np.nan]) == pytest.approx(np.ones(2))
    assert precisions([0.0, 0.0]) == pytest.approx(np.ones(2))


def test_weights_help_where_budgets_differ_in_noise():
    def errors(weighted):
        result = []
        for seed in range(30):
            noisy = parabolas(noise=0.01, seed=seed)
            frame = noisy.where(noisy["C"] > 5e17, parabolas(noise=0.001, seed=seed))
            result.append(IsoFlop(weighted=weighted).estimate(frame).params[0, 1] - 0.45)
        return np.sqrt(np.mean(np.square(result)))

    assert errors(weighted=True) < 0.9 * errors(weighted=False)


def test_a_parabola_through_three_runs_has_no_variance():
    table = IsoFlop().estimate(parabolas(sizes=3)).tables["budgets"]
    assert all(np.isnan(row["log_n_std"]) for row in table)
    assert all(row["log_n_std"] > 0 for row in IsoFlop().estimate(parabolas(noise=0.002)).tables["budgets"])


@pytest.mark.parametrize("options", [{}, {"nearest": 5}, {"curve": "akima"}])
def test_a_resample_is_a_fit_to_the_runs_drawn(options):
    frame = parabolas(noise=0.001)
    law = IsoFlop(weighted=False, **options)
    params = law.estimate(frame).params
    weights = np.ones((2, len(frame)))
    weights[1, [0, 6, 8]] = [3, 0, 2]  # lacks the largest size of a budget
    result = law.resample(frame, params, weights)
    drawn = frame.loc[np.repeat(frame.index, weights[1].astype(int))].reset_index(drop=True)
    assert result[0] == pytest.approx(params[0], rel=0.02)
    assert result[0, :4] == pytest.approx(params[0, :4], rel=1e-9)
    assert result[1, :4] == pytest.approx(law.estimate(drawn).params[0, :4], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"nearest": 5}, {"curve": "akima"}])
def test_resamples_scatter_as_studies_do(options):
    law = IsoFlop(**options)
    studies = [parabolas(noise=0.002, seed=seed) for seed in range(30)]
    scatter = np.std([law.estimate(study).params[0, 1] for study in studies], ddof=1)
    result = law.resample(studies[0], law.estimate(studies[0]).params, draws(studies[0], 300))[:, 1]
    assert np.isfinite(result).mean() > 0.95
    assert 0.4 * scatter < np.nanstd(result) < 4 * scatter


@pytest.mark.parametrize("curve", ["parabola", "akima"])
def test_a_resample_with_too_few_minima_is_not_a_number(curve):
    frame, law = parabolas(), IsoFlop(curve=curve)
    weights = (frame["C"] <= 1e17).to_numpy(dtype=float)[None]
    assert np.isnan(law.resample(frame, law.estimate(frame).params, weights)).all()


@pytest.mark.parametrize("curve", ["parabola", "akima"])
def test_a_weight_is_that_of_a_run(curve):
    frame, law = parabolas(noise=0.003), IsoFlop(curve=curve, weighted=False)
    again = frame.copy()
    again["loss"] *= 1.01
    both = pd.concat([frame, again], ignore_index=True)
    weighted = law.estimate(both.assign(weight=np.repeat([1.0, 0.0], len(frame)))).params
    assert weighted == pytest.approx(law.estimate(frame).params, rel=1e-6)


def test_the_law_predicts_the_frontier_whatever_the_size():
    frame, law = parabolas(), IsoFlop()
    params = law.estimate(frame).params
    assert law.predict(params, frame)[0] == pytest.approx(1.7 + 200 * frame["C"] ** -0.14, rel=1e-4)
    best = law.frontier(params, np.array([1e18, 1e22]), TrainingFlops())
    assert best["N"][0] == pytest.approx([1e18**0.45, 1e22**0.45], rel=1e-3)
    assert best["D"][0] == pytest.approx(np.array([1e18, 1e22]) / (20 * best["N"][0] ** 0.9), rel=1e-3)
    assert best["loss"][0] == pytest.approx([1.7 + 200 * 1e18**-0.14, 1.7 + 200 * 1e22**-0.14], rel=1e-3)
    assert len(law.fitted_rows(frame)) == 5
    assert np.array_equal(law.strata(frame), frame["budget"])
    assert all(p.name in law.formula for p in law.parameters)


def scattered(between, budgets=10, sizes=8, noise=0.002, seed=0):
    """Return budgets whose best size is off the power law by a normal deviate of log N."""
    rng = np.random.default_rng(seed)
    rows = []
    for flops in np.geomspace(1e18, 1e21, budgets):
        best = 0.12 * flops**0.49
        off = between * rng.standard_normal()
        for n in best * np.geomspace(0.25, 4, sizes):
            loss = 1.8 + 90 * flops**-0.1 + 0.05 * (np.log(n / best) - off) ** 2
            rows.append({"N": n, "D": flops / 6 / n, "C": flops, "loss": loss * np.exp(noise * rng.standard_normal())})
    return tidy(pd.DataFrame(rows)).frame


def test_scatter_between_budgets_is_told_and_widens_the_interval():
    calm, rough = (fit(scattered(between), "isoflop", bootstrap=Bootstrap(200)) for between in (0.0, 0.2))
    words = "scatter about the power law by more than their runs explain"
    assert not any(words in warning for warning in calm.diagnostics["warnings"])
    assert any(words in warning for warning in rough.diagnostics["warnings"])
    (scatter,) = rough.tables["scatter"]
    assert scatter["freedom"] == 8
    assert scatter["chi_squared"] > 20
    assert 0.1 < np.sqrt(scatter["variance"]) < 0.35
    widths = [np.ptp(result.ci95["N_exponent"]) for result in (calm, rough)]
    assert widths[1] > 2.5 * widths[0]


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [True, False])
def test_intervals_cover_the_exponent_where_budgets_scatter(weighted):
    inside = []
    for seed in range(30):
        result = fit(scattered(0.15, budgets=8, seed=seed), IsoFlop(weighted=weighted), bootstrap=Bootstrap(100, seed))
        low, high = result.ci95["N_exponent"]
        inside.append(low < 0.49 < high)
    assert np.mean(inside) > 0.8  # 95 % but for chance; draws within budgets alone cover about half


def test_scatter_between_budgets_evens_their_weights():
    assert precisions([0.1, 0.2, 0.1], between=100.0) == pytest.approx(np.ones(3), rel=1e-2)


def test_whole_budgets_are_drawn_where_their_runs_leave_no_variance():
    assert IsoFlop().clusters(scattered(0.2)) is None
    assert IsoFlop().clusters(scattered(0.0)) is None
    few = parabolas(sizes=3)  # a parabola through three runs has no variance
    assert IsoFlop().clusters(few).tolist() == pytest.approx(few["budget"].tolist())


@pytest.mark.parametrize(("budgets", "factor"), [(3, 6.48), (4, 2.195), (9, 1.206)])
def test_the_interval_of_few_budgets_is_that_of_students_t(budgets, factor):
    """As many degrees of freedom as budgets less two: half-widths are t times those of a normal distribution."""
    x, rng = np.linspace(-1, 1, budgets), np.random.default_rng(0)
    scatters = [scatter_about_line(x, rng.standard_normal(budgets), np.full(budgets, 1e-6)) for _ in range(5)]
    assert [scatter.widening for scatter in scatters] == pytest.approx([factor] * 5, rel=1e-2)
    calm = scatter_about_line(x, 1e-6 * rng.standard_normal(budgets), np.ones(budgets))
    assert calm.widening == 1.0
    assert calm.variance == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("budgets", [3, 4])
def test_intervals_of_few_budgets_cover_the_exponent_where_these_scatter(budgets):
    inside = []
    for seed in range(25):
        result = fit(scattered(0.15, budgets=budgets, seed=seed), IsoFlop(), bootstrap=Bootstrap(100, seed))
        low, high = result.ci95["N_exponent"]
        inside.append(low < 0.49 < high)
    assert np.mean(inside) >= 0.85  # 95 % but for chance; draws of runs alone cover a third


@pytest.mark.parametrize("budgets", [2, 3])
def test_few_budgets_are_said_to_show_little_of_their_scatter(budgets):
    result = fit(scattered(0.0, budgets=budgets), "isoflop", bootstrap=Bootstrap(50))
    assert any("far their minima scatter about a power law" in warning for warning in result.diagnostics["warnings"])


def test_the_points_of_a_run_are_drawn_together_over_budgets():
    """Checkpoints of one run that serve several budgets share its noise, which one column tells."""
    rng, rows = np.random.default_rng(0), []
    for n in np.geomspace(3e7, 3e9, 10):
        off = rng.normal(0, 0.01)
        for flops in np.geomspace(1e19, 1e21, 5):
            loss = 1.8 + 90 * flops**-0.1 + 0.05 * np.log(n / (0.12 * flops**0.49)) ** 2 + off
            rows.append({"run_id": f"n{n:.0f}", "N": n, "D": flops / 6 / n, "C": flops, "loss": loss})
    table = pd.DataFrame(rows)
    plain, read = (fit(frame, "isoflop", bootstrap=Bootstrap(100)) for frame in (table, tidy(table).frame))
    assert plain.ci95 == read.ci95
    alone = fit(table.drop(columns="run_id"), "isoflop", bootstrap=Bootstrap(100))
    assert np.ptp(plain.ci95["N_exponent"]) != np.ptp(alone.ci95["N_exponent"])
    assert any("points of one run, which resamples keep together" in warning for warning in plain.diagnostics["warnings"])


def test_a_budget_that_is_drawn_twice_counts_twice():
    frame = scattered(0.2, budgets=5)
    law = IsoFlop()
    params = law.estimate(frame).params
    counts = np.repeat([[2.0, 0.0, 1.0, 1.0, 1.0]], 8, axis=1)
    table = pd.DataFrame(law.estimate(frame).tables["budgets"])
    shares = precisions(table["log_n_std"].tolist(), law.estimate(frame).tables["scatter"][0]["variance"]) * counts[0, ::8]
    _, slope = weighted_line(np.log(table["C"].to_numpy()), np.log(table[["N"]].to_numpy().T), shares)
    assert law.resample(frame, params, counts)[0, 1] == pytest.approx(slope[0])


def test_the_objective_of_the_best_losses_can_be_fixed_or_chosen_by_rolling_origin():
    def fitted(objective, heavy):
        frame = scattered(0.0, budgets=9, noise=0.0005)
        odd = frame["budget"] == np.sort(frame["budget"].unique())[4]
        frame.loc[odd, "loss"] *= 1.03 if heavy else 1.0  # an outlying budget, which squares follow and Huber's loss does not
        return IsoFlop(frontier_objective=objective).estimate(frame)

    huber, squares, rolling = (fitted(objective, heavy=True) for objective in ("huber", "log_mse", "rolling"))
    assert abs(huber.params[0, 6] - 0.1) < abs(squares.params[0, 6] - 0.1)
    assert rolling.params.tolist() == huber.params.tolist()
    assert rolling.tables["frontier"][0]["objective"] == "huber"
    with pytest.raises(ConfigError, match=r"^law\.frontier_objective: "):
        IsoFlop(frontier_objective="median")
