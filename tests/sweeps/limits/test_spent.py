"""Amounts that a study has spent."""

from dataclasses import replace

import pytest
from helpers.planned_studies import told

from openr1.sweeps.limits import spent
from openr1.sweeps.limits.spent import spent_by


def test_a_study_has_spent_the_amounts_of_all_its_runs(study, monkeypatch):
    stages = [run.main for run in study]
    params = {"compute.device": "cuda", "compute.processes": "2", "compute.price_per_hour": "3.0"}
    runs = [
        replace(told(stages[0], "FINISHED"), metrics={"flops": 5.0, "wall_seconds": 3600.0}, params=params),
        replace(told(stages[1], "FAILED"), metrics={"flops": 2.0}, params=params),  # of a minute
        replace(told(stages[2], "FINISHED", reused="True"), metrics={"flops": 100.0}, params=params),
        replace(told(stages[3], "RUNNING", end=False), metrics={"flops": 1.0}, params=params),
    ]
    monkeypatch.setattr(spent, "read_tracked_runs", lambda tracking, study: runs)
    amount = spent_by(study[0].config.tracking, "half")
    assert amount.flops == 8.0
    assert amount.gpu_hours == pytest.approx(2 + 2 / 60)
    assert amount.money == pytest.approx(3 * amount.gpu_hours)
    assert spent_by(study[0].config.tracking, "half", {stages[3].fingerprint}).flops == 7.0


@pytest.mark.parametrize(
    ("stage", "params", "processes"),
    [
        ("sft", {}, 2),
        ("evaluate", {"stage.answers": "None"}, 2),
        ("evaluate", {"stage.answers": "evaluate-0123456789abcdef"}, 1),
        ("generate", {"stage.teacher": "model"}, 2),
        ("generate", {"stage.teacher": "oracle"}, 1),
        ("curate", {}, 1),
    ],
)
def test_a_stage_has_spent_the_devices_that_it_used(study, monkeypatch, stage, params, processes):
    run = replace(told(study[0].main, "FINISHED"), metrics={"wall_seconds": 3600.0})
    used = {"compute.device": "cuda", "compute.processes": "2", **params}
    run = replace(run, tags={**run.tags, "stage": stage}, params=used)
    monkeypatch.setattr(spent, "read_tracked_runs", lambda tracking, study: [run])
    assert spent_by(study[0].config.tracking, "half").gpu_hours == processes
