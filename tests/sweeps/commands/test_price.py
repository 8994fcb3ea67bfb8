"""Whole commands: a calibration, a study whose allowance is used, one that is to be confirmed, and a search."""

import json

import pytest
from helpers.cli import command

from openr1.tracking import mlflow as tracking

pytestmark = pytest.mark.integration


def test_an_allowance_stops_a_study_and_a_larger_one_goes_on(tiny, tmp_path):
    words = ["-m", *tiny, "study=short", "seed=0,1,2", "hydra.launcher.n_jobs=1"]
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    first = command("openr1", *words, "sweep.allowance.flops=8e8", cwd=tmp_path)  # a run has 3.8e8
    assert first.returncode == 0, first.stderr
    assert "stopped: 1 of 3 runs did not start, since the next would take the study to 1.14e+09 flops of 8e+08" in first.stderr
    assert len(tracking.read_runs(uri, "short")) == 2
    again = command("openr1", *words, "sweep.allowance.flops=8e9", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "stopped" not in again.stderr
    assert {run.tags["seed"] for run in tracking.read_runs(uri, "short")} == {"0", "1", "2"}
    shown = command("openr1-plan", "status=short", cwd=tmp_path)
    assert "short: 3 of 3 runs done" in shown.stdout


def test_a_study_above_the_limit_starts_once_it_is_confirmed(tiny, tmp_path):
    words = ["-m", *tiny, "study=dear", "hydra/launcher=basic", "sweep.ask_above.flops=1e8"]
    refused = command("openr1", *words, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("openr1: sweep.confirm: this takes 3.82e+08 flops of 1e+08")
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    confirmed = command("openr1", *words, "sweep.confirm=true", cwd=tmp_path)
    assert confirmed.returncode == 0, confirmed.stderr
    assert len(tracking.read_runs(f"sqlite:///{tmp_path}/outputs/mlflow.db", "dear")) == 1


def test_a_calibration_times_what_no_run_has(tiny, tmp_path):
    words = [*tiny, "study=timed", "scale=30k,100k", "hydra.launcher.n_jobs=2"]
    first = command("openr1-plan", *words, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "timing a few steps of 2 models, 2 at once" in first.stderr
    assert "Times are from calibration" in first.stdout
    plan = json.loads((tmp_path / "outputs" / "studies" / "timed" / "plan.json").read_text())
    assert all(run["seconds"] > 0 for run in plan["runs"])
    assert not (tmp_path / "outputs" / "artifacts").exists()
    again = command("openr1-plan", *words, cwd=tmp_path)
    assert "timing" not in again.stderr
    assert again.stdout == first.stdout


def test_a_search_is_a_range_over_its_space(tiny, tmp_path):
    words = [*tiny, "sweep=search", "sweep.name=found", "scale=30k,100k", "optim.lr=interval(1e-3,1e-2)"]
    words += ["sweep.n_trials=5", "sweep.calibrate=false"]
    shown = command("openr1-plan", *words, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "found: 5 trials; 5 to come" in shown.stdout
    (line,) = [line for line in shown.stdout.splitlines() if "FLOPs of a trial" in line]
    least, mean, most = map(float, line.split()[-3:])
    assert least < mean < most
    assert not (tmp_path / "outputs" / "optuna.db").exists()
    status = command("openr1-plan", "status=found", cwd=tmp_path)
    assert "found: 5 trials, none begun" in status.stdout
    assert "sweep=search" in status.stdout
    refused = command("openr1", "-m", *words, "sweep.ask_above.flops=1e8", cwd=tmp_path)
    assert refused.returncode == 2
    assert "sweep.confirm: this takes" in refused.stderr.splitlines()[-1]


def test_a_search_goes_on_past_invalid_configs(tiny, tmp_path):
    words = [*tiny, "sweep=search", "sweep.name=found", "budget.steps=null", "budget.tokens=1280"]
    words += ["optim.batch_tokens=128,1280000", "sweep.n_trials=2", "sweep.sampler=grid", "sweep.n_jobs=1"]
    made = command("openr1", "-m", *words, cwd=tmp_path)
    assert "total FLOPs to come" in made.stderr
    assert "sampled configs are invalid: budget.tokens: 1280 is" in made.stderr
    assert "1 complete, 1 fail" in made.stderr
