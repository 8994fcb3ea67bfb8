import numpy as np
import pandas as pd
import pytest
from helpers.law_runs import MULTI_POWER, schedule_curves

from openr1.analysis import Bootstrap, Holdout, fit
from openr1.analysis.laws import Schedule
from openr1.analysis.sources.frame import Columns, tidy
from openr1.system.errors import ConfigError
from openr1.training.options import OptimConfig
from openr1.training.schedule import learning_rates, phases_of

TRUTH = np.array([list(MULTI_POWER.values())])
NONE = Bootstrap(0)


def curves(**options):
    return tidy(schedule_curves(**options), needs=Schedule.needs).frame


def by_definition(rates, steps, warmup):
    """Return the losses of the law, summed over every step."""
    total, losses = np.cumsum(rates) - rates[0], []
    p = MULTI_POWER
    for t in steps:
        k = np.arange(warmup + 1, t + 1)
        reach = total[t] - total[k - 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(reach > 0, rates[k] ** -p["gamma"] * reach, 0)
        fall = np.sum((rates[k - 1] - rates[k]) * (1 - (p["C"] * x + 1) ** -p["beta"]))
        losses.append(p["L0"] + p["A"] * total[t] ** -p["alpha"] - p["B"] * fall)
    return np.array(losses)


@pytest.mark.parametrize("shape", ["constant", "cosine", "linear", "wsd"])
def test_the_losses_are_those_of_the_sum_over_every_step(shape):
    optim = OptimConfig(schedule=shape, warmup=0.1, decay=0.3)
    rates = learning_rates(optim, phases_of(optim, 5000, None), 3e-4)
    steps = np.arange(500, 5001, 250)
    frame = pd.DataFrame({"run": "a", "step": steps, "rates": [rates] * len(steps)})
    assert Schedule().predict(TRUTH, frame)[0] == pytest.approx(by_definition(rates, steps, 500), abs=2e-4)


def test_a_rate_that_rises_again_raises_the_loss():
    rates = np.concatenate([np.full(1000, 1e-4), np.full(1001, 3e-4)])
    frame = pd.DataFrame({"run": "a", "step": [999, 1100, 2000], "rates": [rates] * 3})
    assert Schedule().predict(TRUTH, frame)[0] == pytest.approx(by_definition(rates, [999, 1100, 2000], 0), abs=1e-9)


@pytest.mark.slow
def test_the_law_is_found_again_and_predicts_another_schedule():
    seen, other = curves(shapes=("constant", "cosine"), noise=0.0), curves(shapes=("wsd", "linear"), noise=0.0)
    law = Schedule()
    result = fit(seen, law, bootstrap=NONE)
    assert result.params["L0"] == pytest.approx(MULTI_POWER["L0"], abs=0.01)
    assert result.params["alpha"] == pytest.approx(MULTI_POWER["alpha"], rel=0.02)
    rows = law.fitted_rows(other)
    assert result.predict(rows) == pytest.approx(rows["loss"].to_numpy(), abs=0.002)


def test_a_schedule_that_was_held_out_is_predicted():
    result = fit(curves(), Schedule(), Holdout(query="run == 'wsd'"), NONE)
    assert result.holdout["n"] == 41
    assert result.holdout["error"] < 0.001


@pytest.mark.slow
def test_the_end_of_a_run_that_was_held_out_still_knows_the_beginning():
    frame = curves(noise=0.0)
    result = fit(frame, Schedule(), Holdout(query="step > 3000"), NONE)
    assert result.holdout["error"] < 0.005


def test_the_slopes_are_those_of_the_curve():
    law = Schedule()
    x = law.points(law.prepare(curves())[1]).x
    params = [np.array([[value], [1.1 * value]]) for value in (2.6, 0.3, 0.5, 0.2, 50.0, 0.7, 0.6)]
    values, slopes = law.slopes(x, *params)
    assert values == pytest.approx(law.curve(x, *params))
    _, stepped = super(Schedule, law).slopes(x, *params)
    for closed, exact in zip(slopes, stepped, strict=True):
        assert closed == pytest.approx(exact, rel=1e-8, abs=1e-12)


def test_rescaled_parameters_are_of_the_same_curve():
    law = Schedule()
    frame = law.prepare(curves(noise=0.0))[1]
    points = law.points(frame)
    scaled = law.rescaled({name: np.array([[value]]) for name, value in MULTI_POWER.items()}, points.scale)
    assert law.curve(points.x, *scaled.values())[0] == pytest.approx(law.predict(TRUTH, law.fitted_rows(frame))[0])


def test_points_of_the_warm_up_and_between_the_others_are_left_out():
    law = Schedule(points_per_run=10)
    frame = curves()
    rows = law.fitted_rows(frame)
    assert frame["step"].min() == 1
    assert (rows["step"] >= 200).all()
    assert (rows.groupby("run").size() == 10).all()
    assert rows.groupby("run")["step"].max().tolist() == [4000.0] * 4


def test_the_config_of_a_run_tells_its_rates():
    optim = {"schedule": "cosine", "warmup": "0.05", "warmup_tokens": "None", "decay": "0.3", "min_lr_ratio": "0.1"}
    config = {f"optim.{name}": value for name, value in optim.items()}
    config |= {"budget.resolved.lr": "0.0003", "budget.resolved.steps": "4000", "budget.resolved.batch_tokens": "512.0"}
    frame = curves(shapes=("cosine", "wsd"), noise=0.0)
    told = frame[frame["run"] == "cosine"].drop(columns="lr").assign(**config)
    table = pd.concat([told, frame[frame["run"] == "wsd"]], ignore_index=True)
    rows = Schedule().fitted_rows(table)
    expected = frame.loc[frame["run"] == "cosine", "lr"].to_numpy()[1:]
    assert rows.loc[(rows["run"] == "cosine").to_numpy(), "lr"].to_numpy() == pytest.approx(expected)
    columns = Columns(lr="budget.resolved.lr", batch="budget.resolved.batch_tokens")  # as of runs=mlflow
    tracked = tidy(told, columns, needs=Schedule.needs).frame
    assert tracked["lr"].nunique() == 1
    assert Schedule().fitted_rows(tracked)["lr"].to_numpy() == pytest.approx(expected)
    with pytest.raises(ConfigError, match="run cosine has a row at step 4000, beyond its 2000 steps"):
        Schedule().prepare(table.assign(**{"budget.resolved.steps": "2000"}))


@pytest.mark.slow
def test_what_is_not_known_of_a_warm_up_is_said():
    frame = curves()
    for table, said in ((frame, False), (frame[frame["step"] > 1].reset_index(drop=True), True)):
        warnings = fit(table, Schedule(), bootstrap=NONE).diagnostics["warnings"]
        assert any("learning rates before the first row of a run are not known" in warning for warning in warnings) == said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda frame: frame.drop(columns="lr"),
            r"columns=\{'lr': \.\.\.\}: run constant has no learning rates; name the column",
        ),
        (lambda frame: frame.assign(lr=-frame["lr"]), r"columns=\{'lr': \.\.\.\}: run constant has a negative learning rate"),
        (lambda frame: frame.assign(step=frame["step"] + 0.5), r"columns=\{'step': \.\.\.\}: steps must be whole numbers"),
        (lambda frame: frame.assign(step=frame["step"] * 1e6), r"columns=\{'step': \.\.\.\}: steps must be whole numbers"),
        (lambda frame: frame[frame["run"] == "constant"], "law: schedule needs the curves of at least two schedules"),
        (
            lambda frame: frame.assign(N=np.arange(len(frame)) // 41),
            "there are 4 values of N: choose one .* or fit each with by=N",
        ),
    ],
)
def test_runs_that_cannot_be_fitted_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        fit(change(curves()).reset_index(drop=True), Schedule(), bootstrap=NONE)


def test_a_table_without_runs_or_steps_is_refused():
    with pytest.raises(ConfigError, match=r"columns=\{'run': \.\.\.\}: schedule needs this column"):
        fit(tidy(schedule_curves().drop(columns="run"), Columns(), needs=Schedule.needs).frame, Schedule(), bootstrap=NONE)
