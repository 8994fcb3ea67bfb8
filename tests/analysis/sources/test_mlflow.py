"""Rows of a study in a real store: recipes with their trials and steps, and the curves of runs."""

import numpy as np
import pandas as pd
import pytest

from openr1.analysis import report
from openr1.analysis.config import compose
from openr1.analysis.sources import frame, mlflow
from openr1.analysis.sources.frame import Columns, MlflowRuns
from openr1.analysis.study import analyse_groups
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig

TRAINED = Columns(N="params_non_embedding", D="tokens", C="flops", loss="eval_loss")
FLOOR = {"plain": 1.7, "verified": 1.5}  # the E of students of each recipe


def step(config, study, parent, metrics, points=(), **tags):
    """Log a run of a step of a trial; return its id."""
    with tracking.track(config, study, tags["stage"], {"role": "stage", **tags}, {"recipe": None}, {}, parent=parent) as run:
        for number, point in enumerate(points, start=1):
            run.log(point, number)
        run.summarise(metrics, len(points))
    return run.run_id


def recipe_study(config):
    """Log two recipes that share a teacher: students of four sizes and three amounts of data each."""
    rng, teacher = np.random.default_rng(0), None
    for recipe, floor in FLOOR.items():
        for n in np.geomspace(1e5, 1e7, 4):
            for d in np.geomspace(1e6, 1e8, 3):
                loss = (floor + 30 * n**-0.35 + 126 * d**-0.4) * np.exp(rng.normal(0, 0.0003))
                size = {"params_non_embedding": n, "tokens": d, "unique_tokens": d / 2, "flops": 6 * n * d, "eval_loss": loss}
                tags = {"role": "trial", "stage": "recipe", "recipe": recipe, "fingerprint": f"{recipe}{n}{d}"}
                with tracking.track(config, "distill", recipe, tags, {}, {}) as run:
                    if teacher is None:
                        teacher = step(config, "distill", run.run_id, {**size, "eval_loss": 9}, stage="sft", fingerprint="t")
                    student = step(config, "distill", run.run_id, size, stage="sft", fingerprint=f"s{recipe}{n}{d}")
                    run.tag(**{"step.teacher": teacher, "step.student": student})
                    run.summarise({**size, "pass_at_1": 1 / loss, "samples": 4}, 0)


def rl_study(config):
    """Log reinforcement learning at two scales and two seeds; every second point of the curves has no pass rate."""
    for scale in ("1m", "300k"):
        for seed in (0, 1):
            points = [{"flops": 1e13 * i, "tokens": 1e6 * i, "reward": 0.1} for i in range(1, 13)]
            for i, point in enumerate(points):
                point |= {"pass_at_1": 0.2 + 0.4 * i / (i + 3 + seed)} if i % 2 else {}
            tags = {"stage": "grpo", "scale": scale, "seed": seed, "fingerprint": f"{scale}{seed}"}
            step(config, "rl", None, {**points[-1], "params_non_embedding": 1e6}, points, **tags)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """Return a store with both studies, made without asking git and the hardware."""
    folder = tmp_path_factory.mktemp("tracks")
    config = TrackingConfig(uri=f"sqlite:///{folder}/mlflow.db", artifacts=str(folder / "artifacts"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("git_commit", "hardware"):
            patch.setattr(tracking, name, lambda: "unknown")
        patch.setattr(tracking, "environment", dict)
        recipe_study(config)
        rl_study(config)
    return config.uri


def words(uri, study, *more):
    return [f"runs.study={study}", f"runs.uri={uri}", "bootstrap.resamples=20", *more]


@pytest.mark.slow
def test_the_trials_of_recipes_are_the_rows_and_neither_their_study_nor_their_steps(tracks):
    result = frame.read(MlflowRuns(uri=tracks, study="distill", columns=TRAINED))
    assert len(result.frame) == 24
    assert result.dropped.empty
    assert set(result.frame["stage"]) == {"recipe"}
    assert result.frame["recipe"].value_counts().to_dict() == {"plain": 12, "verified": 12}


@pytest.mark.slow
def test_the_figures_of_a_step_are_columns_of_its_trial(tracks):
    columns = Columns(**{**vars(TRAINED), "D": "student.tokens", "C": "student.flops", "loss": "student.eval_loss"})
    by_step = frame.read(MlflowRuns(uri=tracks, study="distill", columns=columns)).frame
    whole = frame.read(MlflowRuns(uri=tracks, study="distill", columns=TRAINED)).frame
    assert by_step[["D", "C", "loss"]].equals(whole[["D", "C", "loss"]])
    assert set(by_step["teacher.eval_loss"]) == {9}


def test_the_steps_are_the_rows_where_their_stage_is_chosen(tracks):
    result = frame.read(MlflowRuns(uri=tracks, study="distill", columns=TRAINED, where={"stage": "sft"})).frame
    assert len(result) == 25
    assert result["recipe"].value_counts().to_dict() == {"plain": 12, "verified": 12}
    assert result.loc[result["recipe"].isna(), "loss"].tolist() == [9]  # the teacher is of both recipes


@pytest.mark.slow
def test_one_law_for_each_recipe(tracks, tmp_path):
    study = analyse_groups(compose(words(tracks, "distill", "law=chinchilla", "by=recipe", f"out={tmp_path}")))
    assert list(study.groups.fits) == ["plain", "verified"]
    for recipe, fit in study.groups.fits.items():
        assert fit.n_points == 12
        assert fit.params["E"] == pytest.approx(FLOOR[recipe], abs=0.05)
        assert fit.holdout["n"] < 5
    assert study.target_flops == pytest.approx(60 * 1e7 * 1e8)
    report.write(study)
    assert (tmp_path / "recipe=plain/fit.json").exists()


def test_a_study_of_recipes_is_a_study_of_pass_rates_too(tracks):
    study = analyse_groups(compose(words(tracks, "distill", "law=task_error", "runs.columns.error=pass_at_1", "by=recipe")))
    assert study.groups.law.response == "error"


def test_repeats_are_of_the_unique_tokens_of_the_trials(tracks):
    result = frame.read(MlflowRuns(uri=tracks, study="distill", columns=Columns(**{**vars(TRAINED), "U": "unique_tokens"})))
    assert np.allclose(result.frame["D"] / result.frame["U"], 2)


def test_the_points_of_curves_are_the_rows_where_they_are_asked_for(tracks):
    result = frame.read(MlflowRuns(uri=tracks, study="rl", columns=TRAINED, curve=True), ("C", "pass_at_1"))
    rows = result.frame
    assert len(rows) == 4 * 6
    assert result.dropped.empty
    assert rows["run"].nunique() == 4
    assert rows.groupby("run")["C"].apply(list).tolist() == [[2e13, 4e13, 6e13, 8e13, 1e14, 1.2e14]] * 4
    assert rows["N"].eq(1e6).all()
    assert {"scale", "seed", "step"} <= set(rows)
    assert rows["reward"].eq(0.1).all()


def test_a_condition_on_runs_holds_for_their_curves(tracks):
    result = frame.read(MlflowRuns(uri=tracks, study="rl", columns=TRAINED, curve=True, where={"seed": 1}), ("C", "pass_at_1"))
    assert len(result.frame) == 2 * 6


def test_runs_of_one_fingerprint_have_one_curve():
    rows = pd.DataFrame({"run": ["a", "a", "b", "b"], "step": [1, 2, 1, 2], "fingerprint": "f", "C": 1.0, "pass_at_1": 0.5})
    assert len(frame.tidy(rows, needs=("C", "pass_at_1")).frame) == 2


def test_runs_without_curves_say_so(tracks):
    source = MlflowRuns(uri=tracks, study="distill", columns=Columns(loss="train_loss"), curve=True)
    with pytest.raises(ConfigError, match=r"runs.curve: none of 25 runs has a curve of train_loss or pass_at_1"):
        source.table()


def test_a_law_is_fitted_to_the_curves_of_each_scale(tracks):
    study = analyse_groups(compose(words(tracks, "rl", "law=rl_sigmoid", "by=scale", "runs.curve=true")))
    assert list(study.groups.fits) == ["300k", "1m"]
    assert [fit.n_points for fit in study.groups.fits.values()] == [12, 12]
    warnings = study.groups.fits["1m"].diagnostics["warnings"]
    assert "intervals are based on resamples of only 2 runs, and may be far too narrow" in warnings


def test_the_order_of_rows_does_not_depend_on_which_run_started_first(tracks):
    runs = tracking.read_runs(tracks, "distill")
    forth, back = (mlflow.build_table(order, {}) for order in (runs, runs[::-1]))
    pd.testing.assert_frame_equal(forth, back)
    assert forth["flops"].is_monotonic_increasing


def test_an_ordinary_study_is_as_it_was(tracks):
    runs = tracking.read_runs(tracks, "rl")
    assert len(mlflow.build_table(runs, {})) == 4
