"""A forecast by the commands that people run: a ladder, a forecast of a run that does not exist, that run, a hit or a miss."""

import json

import pytest
from helpers.cli import succeed

from openr1.tracking import mlflow as tracking

pytestmark = [pytest.mark.integration, pytest.mark.nightly]
SMALL = ["study=ladder", "optim.batch_tokens=512", "data.eval_tokens=1024", "sweep.calibrate=false"]
RUN = ["study=ladder", "optim.batch_tokens=512", "data.eval_tokens=1024", "scale=50k", "budget.tokens=4e4"]


def test_a_forecast_is_registered_before_its_run_and_judged_by_it(tmp_path):
    succeed("openr1", "-m", *SMALL, "scale=30k,50k", "budget.tokens=5e3,7e3,1e4,1.4e4,2e4", cwd=tmp_path)
    planned = succeed("openr1-plan", *RUN, "forecast=ladder", cwd=tmp_path)
    assert "with 95 % probability one from" in planned.stdout
    studies = tmp_path / "outputs" / "studies"
    [path] = (studies / "ladder" / "forecasts").glob("*.json")
    before = path.read_bytes()
    known = json.loads(before)
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    assert not [run for run in tracking.read_runs(uri, "ladder") if run.tags.get("fingerprint") == known["run"]["fingerprint"]]

    succeed("openr1", *RUN, cwd=tmp_path)
    report = succeed("openr1-fit", "runs.study=ladder", "bootstrap.resamples=20", cwd=tmp_path)
    [run] = [run for run in tracking.read_runs(uri, "ladder") if run.tags.get("fingerprint") == known["run"]["fingerprint"]]
    outcome = json.loads(path.with_name(path.stem + ".outcome.json").read_text())
    assert outcome["measured"] == run.metrics["eval_loss"]
    low, high = known["intervals"]["95"]
    assert ("Hit: " if low <= outcome["measured"] <= high else "Miss: ") in report.stdout
    assert path.read_bytes() == before
    assert known["run"]["name"] in (studies / "forecasts.html").read_text()
