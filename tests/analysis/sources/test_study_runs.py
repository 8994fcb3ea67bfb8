"""A study in Python: read from a real store, filtered, grouped, drawn and printed."""

import subprocess
import sys

import pandas as pd
import pytest
from helpers.shown_studies import POINTS, loss, pretraining, reinforcement_learning

from openr1 import analysis
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking
from openr1.tracking.options import TrackingConfig


def recipe(config, study):
    """Log two trials of a recipe, each with two steps, of which the second is measured."""
    for seed in (0, 1):
        tags = {"role": "trial", "stage": "recipe", "recipe": "zero", "seed": seed, "fingerprint": f"t{seed}"}
        with tracking.track(config, study, f"zero s{seed}", tags, {"seed": seed}, {}) as trial:
            steps = {}
            for number, stage in enumerate(("pretrain", "grpo")):
                about = {"role": "stage", "stage": stage, "seed": seed, "fingerprint": f"{stage}{seed}"}
                with tracking.track(config, study, f"{stage} s{seed}", about, {}, {}, parent=trial.run_id) as run:
                    for step in (1, 2):
                        point = {"eval_loss": 3.0 - step} if number == 0 else {"pass_at_1": 0.2 * step + 0.1 * seed}
                        run.log({"tokens": 10.0 * step, "flops": 1e9 * step, **point}, step)
                steps[f"step.{stage}"] = run.run_id
            trial.tag(**steps)
            trial.summarise({"flops": 4e9, "pass_at_1": 0.4 + 0.1 * seed, "pretrain.eval_loss": 1.0}, 0)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Return a folder of outputs whose store has three studies."""
    folder = tmp_path_factory.mktemp("studies") / "outputs"
    config = TrackingConfig(uri=f"sqlite:///{folder}/mlflow.db", artifacts=f"{folder}/mlartifacts")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("git_commit", "hardware"):
            patch.setattr(tracking, name, lambda: "unknown")
        patch.setattr(tracking, "environment", dict)
        pretraining(config, "sizes")
        reinforcement_learning(config, "learning")
        recipe(config, "recipes")
    return folder


@pytest.fixture(scope="module")
def runs(outputs):
    return analysis.read_study("sizes", outputs)


def test_the_frame_has_the_columns_of_the_table_of_runs(runs):
    frame = runs.frame
    assert len(frame) == len(runs) == 6
    assert list(frame)[:5] == ["name", "N", "D", "C", "eval_loss"]
    assert sorted(frame["scale"].unique()) == ["100k", "300k", "30k"]
    assert frame["lr"].dtype == float  # a param, which the store has as text
    assert frame["C"].is_monotonic_increasing
    first = frame.iloc[0]
    assert first["eval_loss"] == pytest.approx(loss(first["N"], first["D"], first["lr"]))
    frame["N"] = 0
    assert runs.frame["N"].min() == 3e4  # a copy


def test_a_study_is_found_by_folder_by_address_and_by_environment(outputs, monkeypatch, tmp_path):
    assert len(analysis.read_study("sizes", uri=f"sqlite:///{outputs}/mlflow.db")) == 6
    monkeypatch.chdir(outputs.parent)
    assert len(analysis.read_study("sizes")) == 6
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENR1_OUTPUTS", str(outputs))
    assert len(analysis.read_study("sizes")) == 6
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    assert len(analysis.read_study("sizes", outputs)) == 6  # what is given counts
    with pytest.raises(ConfigError, match=r"^uri: there is no store at sqlite:"):
        analysis.read_study("sizes")


def test_filters_take_values_lists_and_functions(runs):
    assert set(runs.filter(scale="100k").frame["scale"]) == {"100k"}
    assert len(runs.filter(scale=["30k", "100k"])) == 4
    assert len(runs.filter(scale={"30k"}, lr=0.01)) == 1
    assert len(runs.filter(**{"optim.lr": "1e-2"})) == 3  # the number, however it is written
    assert len(runs.filter(seed=0)) == 6
    large = runs.filter(N=lambda count: count > 5e4).filter(lr=0.003)
    assert list(large.frame["scale"]) == ["100k", "300k"]
    assert len(runs) == 6  # unchanged


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda runs: runs.filter(scal="100k"), r"filter: there is no column 'scal'; did you mean scale"),
        (lambda runs: runs.filter(scale="100K"), r"filter: scale: no run has 100K; the runs have 100k, 300k, 30k$"),
        (lambda runs: runs.filter(scale=[]), r"filter: scale: the list of values is empty$"),
        (
            lambda runs: runs.filter(N=lambda count: count > 1e9),
            r"filter: N: no run meets the condition; the runs have 30000, ",
        ),
        (lambda runs: runs.group_by("batches"), r"group_by: there is no column 'batches'"),
        (lambda runs: runs.group_by(), r"group_by: name a column"),
        (lambda runs: runs.best("eval_los"), r"best: there is no column 'eval_los'; did you mean eval_loss"),
        (lambda runs: runs.best("D"), r"best: the name of 'D' does not tell its direction; add direction='min' or "),
        (lambda runs: runs.best("eval_loss", "down"), r"best: direction is 'min' or 'max', not 'down'$"),
        (lambda runs: runs.best("scale", "min"), r"best: 'scale' is no number$"),
        (lambda runs: runs.group_by(None), r"columns: must be a text, not None$"),
        (lambda runs: runs.group_by(["scale"]), r"columns: must be a text, not \['scale'\]$"),
        (lambda runs: runs.best(1), r"metric: must be a text, not 1$"),
        (lambda runs: runs.group_by("scale").best(None), r"metric: must be a text, not None$"),
        (lambda runs: runs.curves(1), r"metric: must be a text, not 1$"),
        (lambda runs: runs.curves("eval_los"), r"curves: no run has a curve of 'eval_los'; did you mean eval_loss\?$"),
        (lambda runs: runs.curves("eval_loss", "lrr"), r"curves: there is no column 'lrr'; did you mean lr or "),
    ],
)
def test_a_wrong_question_is_one_line_with_names_that_are_near(runs, ask, line):
    with pytest.raises(ConfigError, match=f"^{line}") as told:
        ask(runs)
    assert "\n" not in str(told.value)


def test_a_study_that_is_not_there_is_told_with_those_that_are_near(outputs):
    with pytest.raises(ConfigError, match=r"^study: there are no finished runs of study 'size' in .*; did you mean sizes\?$"):
        analysis.read_study("size", outputs)
    for uri, line in ((1, "must be a text, not 1"), ([], r"must be a text, not \[\]"), ("", "must not be empty")):
        with pytest.raises(ConfigError, match=f"^uri: {line}$"):
            analysis.read_study("sizes", uri=uri)


def test_the_best_runs_of_groups(runs):
    best = runs.group_by("scale").best("eval_loss")
    assert isinstance(best, analysis.StudyRuns)
    assert list(zip(best.frame["scale"], best.frame["lr"], strict=True)) == [("30k", 0.01), ("100k", 0.01), ("300k", 0.01)]
    assert runs.best("eval_loss").frame["scale"].item() == "300k"
    assert runs.best("eval_loss", "max").frame["scale"].item() == "30k"
    assert runs.best("N", direction="max").frame["scale"].item() == "300k"
    worst = runs.group_by("scale", "lr").best("eval_loss", direction="max")
    assert len(worst) == 6


def test_groups_are_runs_too(runs):
    groups = runs.group_by("scale")
    assert len(groups) == 3
    assert {label: len(of_group) for label, of_group in groups} == {"30k": 2, "100k": 2, "300k": 2}
    assert [label for label, _ in runs.filter(scale="30k").group_by("scale", "lr")] == [("30k", 0.003), ("30k", 0.01)]
    assert repr(groups).splitlines()[0] == "scale=30k: 2 runs"


def test_curves_are_tidy(runs):
    curves = runs.filter(scale="30k").curves("eval_loss", "lr")
    assert list(curves) == ["run", "lr", "step", "tokens", "flops", "eval_loss"]
    assert len(curves) == 2 * POINTS
    for _, curve in curves.groupby("run"):
        assert curve["step"].is_monotonic_increasing
        assert curve["flops"].tolist() == pytest.approx((6 * 3e4 * curve["tokens"]).tolist())
    last = curves.groupby("run").last()
    ended = runs.filter(scale="30k").frame.set_index("name")["eval_loss"]
    pd.testing.assert_series_equal(last["eval_loss"].sort_index(), ended.sort_index(), check_names=False)


def test_runs_are_what_a_fit_takes(runs):
    rows = runs.tidy().frame
    assert {"N", "D", "C", "loss", "budget"} <= set(rows)
    assert len(rows) == 6
    fitted = analysis.fit(runs, "power_law", bootstrap=analysis.Bootstrap(resamples=0))
    assert fitted.n_points == analysis.fit(rows, "power_law", bootstrap=analysis.Bootstrap(resamples=0)).n_points


def test_a_rate_is_best_where_it_is_highest(outputs):
    runs = analysis.read_study("recipes", outputs)
    assert runs.best("pass_at_1").frame["seed"].item() == 1
    assert runs.best("pretrain.eval_loss", "min").frame["seed"].item() == 0


def test_a_recipe_has_its_trials_or_the_runs_of_a_stage_and_the_curves_of_its_steps(outputs):
    runs = analysis.read_study("recipes", outputs)
    assert set(runs.frame["role"]) == {"trial"}
    learned = runs.filter(seed=1).filter(stage="grpo")
    assert learned.frame[["name", "recipe"]].values.tolist() == [["grpo s1", "zero"]]
    curves = runs.curves("pass_at_1", "seed")
    assert curves[["run", "seed", "pass_at_1"]].values.tolist() == [
        ["grpo s0", 0, 0.2],
        ["grpo s0", 0, 0.4],
        ["grpo s1", 1, pytest.approx(0.3)],
        ["grpo s1", 1, 0.5],
    ]


def test_runs_print_in_a_terminal_and_a_notebook(runs, outputs):
    text = repr(runs)
    assert text.startswith("study sizes: 6 finished runs\n")
    assert "30k" in text
    assert "eval_loss" in text
    html = runs._repr_html_()
    assert html.count("<tr") == 7
    assert "study sizes: 6 finished runs" in html
    assert repr(analysis.read_study("learning", outputs)).startswith("study learning: 1 finished run\n")


def test_importing_analysis_imports_neither_pandas_nor_mlflow():
    heavy = "pandas", "scipy", "mlflow", "matplotlib", "torch"
    done = subprocess.run(
        [sys.executable, "-c", f"import analysis, sys; print([name for name in {heavy} if name in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("study", [None, "", 3])
def test_a_study_has_a_name(outputs, study):
    with pytest.raises(ConfigError, match=r"^study: .* is not the name of a study"):
        analysis.read_study(study, outputs)
