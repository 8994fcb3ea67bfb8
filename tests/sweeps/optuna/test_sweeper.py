"""``sweep=search`` from the command line."""

from pathlib import Path

import optuna
import pandas as pd
import pytest
import yaml
from helpers.cli import command

from openr1.tracking import mlflow as tracking

pytestmark = pytest.mark.integration
APP = Path(__file__).parents[2] / "helpers" / "sweep_app.py"
X = "optim.lr=interval(0.01,1)"


def sweep(*arguments, cwd, app="openr1"):
    return command(app, "-m", "sweep=search", f"paths.outputs={cwd}/outputs", *arguments, cwd=cwd)


def study_of(cwd, name):
    return optuna.load_study(storage=f"sqlite:///{cwd}/outputs/optuna.db", study_name=name)


def test_the_same_command_resumes_and_another_one_is_refused(tiny, tmp_path):
    space = [
        *tiny,
        "sweep.calibrate=false",
        X,
        "optim.beta1=choice(0.4,0.9)",
        "sweep.name=toy",
        "hydra/launcher=basic",
        "sweep.max_failure_rate=1",
    ]
    first = sweep(*space, "sweep.n_trials=6", cwd=tmp_path, app=APP)
    assert first.returncode == 0, first.stderr
    assert "toy: 0 of 6 trials done, 1 at once" in first.stderr
    more = sweep(*space, "sweep.n_trials=9", "sweep.sampler=random", cwd=tmp_path, app=APP)
    assert "toy: 6 of 9 trials done" in more.stderr
    study = study_of(tmp_path, "toy")
    assert len(study.trials) == 9
    failed = [trial for trial in study.trials if trial.state.name == "FAIL"]
    assert failed
    assert {trial.params["optim.beta1"] for trial in failed} == {0.4}
    assert failed[0].user_attrs["failure"] == "ValueError: beta1 is small and that is that"

    other = sweep(*space, "optim.beta2=0.9", cwd=tmp_path, app=APP)
    assert other.returncode == 2
    assert other.stderr.splitlines()[-1].endswith("optim.beta2 was 0.95, and now is 0.9; choose another sweep.name")

    folder = tmp_path / "outputs" / "studies" / "toy"
    results = yaml.safe_load((folder / "optimization_results.yaml").read_text())
    assert results["best_value"] == study.best_value
    assert results["trials"] == {"complete": 9 - len(failed), "fail": len(failed)}
    assert len(pd.read_parquet(folder / "trials.parquet")) == 9
    assert {"history.png", "slice.png"} <= {path.name for path in folder.iterdir()}
    parent = tracking.client(f"sqlite:///{tmp_path}/outputs/mlflow.db").search_runs(["1"], "tags.role = 'study'")[0]
    assert parent.info.run_name == "toy"
    assert parent.data.metrics["best_eval_loss"] == pytest.approx(study.best_value)
    names = {
        file.path for file in tracking.client(f"sqlite:///{tmp_path}/outputs/mlflow.db").list_artifacts(parent.info.run_id)
    }
    assert parent.data.tags["command"].startswith("openr1 -m ")
    assert "sweep.n_trials=9" in parent.data.tags["command"]
    assert {"plan.json", "optimization_results.yaml", "trials.parquet", "history.png", "slice.png"} <= names


def test_a_value_that_the_config_does_not_take_is_refused_before_any_trial(tmp_path):
    for axis, message in (
        ("optim.lr=interval(-1,1)", "optim.lr=-1.0: optim.lr: must be above 0"),
        ("data.context=choice(64,many)", "data.context=many: "),
        ("optim.rate=interval(0,1)", "optim.rate=0.0: "),
    ):
        done = sweep(axis, "hydra/launcher=basic", cwd=tmp_path, app=APP)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]
    assert not (tmp_path / "outputs" / "optuna.db").exists()


def test_processes_side_by_side(tiny, tmp_path):
    words = [*tiny, "sweep.calibrate=false", X, "sweep.name=many", "sweep.n_trials=7", "hydra.launcher.n_jobs=2"]
    done = sweep(*words, cwd=tmp_path, app=APP)
    assert done.returncode == 0, done.stderr
    assert "2 at once" in done.stderr
    study = study_of(tmp_path, "many")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 7
    assert study.trials[0].intermediate_values.keys() == {100, 200, 300}


def test_trials_are_tracked_runs_and_a_bad_one_is_pruned(tiny, tmp_path):
    pruner = ["sweep.pruner=median", "sweep.pruner_options={n_startup_trials:2}", "stage.eval_every_tokens=500"]
    known = ["sweep.enqueue=[{optim.lr:0.01},{optim.lr:0.005},{optim.lr:1e-9}]"]
    axis = "optim.lr=tag(log,interval(1e-10,1e-1))"
    done = sweep(*tiny, axis, "sweep.name=rates", "sweep.n_trials=3", *pruner, *known, "hydra/launcher=basic", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = study_of(tmp_path, "rates")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert {500, 1000, 1500} <= study.trials[0].intermediate_values.keys()
    assert study.trials[0].user_attrs["metrics"]["flops"] > 0

    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    finished = tracking.read_runs(uri, "rates")
    assert sorted(run.tags["trial_number"] for run in finished) == ["0", "1"]
    assert {run.run_id for run in finished} == {trial.user_attrs["run_id"] for trial in study.trials[:2]}
    (pruned,) = tracking.read_runs(uri, "rates", status="KILLED")
    assert (pruned.tags["state"], pruned.tags["trial_number"]) == ("PRUNED", "2")
    assert "sweep.pruner=median" in pruned.tags["pruned"]
    assert float(pruned.params["optim.lr"]) == 1e-9
    assert len({run.tags["mlflow.parentRunId"] for run in (*finished, pruned)}) == 1


def test_what_is_made_already_costs_nothing_and_what_an_allowance_has_not_is_not_begun(tiny, tmp_path):
    axis, known = "optim.lr=tag(log,interval(1e-4,1e-1))", "sweep.enqueue=[{optim.lr:0.01}]"
    given = [*tiny, axis, known, "hydra/launcher=basic", "stage.eval_every_tokens=500"]
    first = sweep(*given, "sweep.name=first", "sweep.n_trials=1", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    (made,) = study_of(tmp_path, "first").trials
    cost = made.user_attrs["spent"]["flops"]
    assert cost == pytest.approx(made.user_attrs["metrics"]["flops"])

    limits = f"sweep.constraints={{flops:{2 * cost},peak_memory_bytes:1e7}}"
    allowance = f"sweep.allowance.flops={1.5 * cost}"
    second = sweep(*given, "sweep.name=second", "sweep.n_trials=5", limits, allowance, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    again, other = [trial for trial in study_of(tmp_path, "second").trials if "surplus" not in trial.user_attrs]
    assert (again.value, again.intermediate_values) == (made.value, made.intermediate_values)
    assert (again.user_attrs["spent"]["flops"], again.user_attrs["estimated"]) == (0, 0)
    assert other.user_attrs["spent"]["flops"] == other.user_attrs["estimated"] == pytest.approx(cost)
    for trial in (again, other):
        assert trial.constraints["flops"] == pytest.approx(-cost)
        assert 1e8 < trial.constraints["peak_memory_bytes"] < 1e10
    assert f"stopped: sweep.allowance: one more trial would take the study to {2 * cost:.3g} flops" in second.stderr
    assert second.stderr.splitlines()[-1] == "second: 2 complete; none is feasible"
    assert (tmp_path / "outputs" / "studies" / "second" / "optimization_results.yaml").exists()


def test_the_study_its_runs_and_mlflow_have_one_value_of_each_axis(tiny, tmp_path):
    axes = [
        "optim.lr=shuffle(1e-3,3e-3,1e-2)",
        "seed=shuffle(range(0,9,4))",
        "model=shuffle(qwen2,llama)",
        "data.name=str(1,'it\\'s')",
    ]
    options = ["sweep.sampler=random", "sweep.n_trials=2", "sweep.calibrate=false", "hydra/launcher=basic"]
    name = """it's "mixed" & shuffled"""
    words = [*tiny, *axes, *options, f"sweep.name='{name.replace(chr(39), chr(92) + chr(39))}'"]
    done = sweep(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    study = study_of(tmp_path, name)
    runs = {run.run_id: run for run in tracking.read_runs(f"sqlite:///{tmp_path}/outputs/mlflow.db", name)}
    assert len(runs) == len(study.trials) == 2
    for trial in study.trials:
        run = runs[trial.user_attrs["run_id"]]
        resolved = tracking.read_config(f"sqlite:///{tmp_path}/outputs/mlflow.db", run.run_id)
        ran = {"optim.lr": resolved["optim"]["lr"], "seed": resolved["seed"], "data.name": resolved["data"]["name"]}
        assert trial.params == ran | {"model": resolved["model"]["family"]}
        assert {key: run.params[key] for key in ran} == {key: str(value) for key, value in ran.items()}
        assert run.metrics["eval_loss"] == trial.value
    results = yaml.safe_load((tmp_path / "outputs" / "studies" / name / "optimization_results.yaml").read_text())
    assert results["best_evaluated_params"] == study.best_params
