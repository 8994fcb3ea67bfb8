from types import SimpleNamespace

import pytest
from helpers.cli import command
from helpers.configs import composed

from openr1.sweeps.planning.plan import PlannedRun, plan_runs
from openr1.system.errors import ConfigError
from openr1.tracking import mlflow as tracking


def multirun(*arguments, cwd):
    return command("openr1", "-m", *arguments, cwd=cwd, COLUMNS="200")


def test_a_plan_resolves_every_run_and_refuses_an_impossible_one(tiny):
    runs = plan_runs([(scale, composed(*tiny, f"scale={scale}")) for scale in ("30k", "50k")])
    assert [run.main.estimate.budget.steps for run in runs] == [12, 12]
    assert runs[0].main.estimate.flops < runs[1].main.estimate.flops
    assert len({run.main.fingerprint for run in runs}) == 2
    assert [run.share_done() for run in runs] == [0, 0]
    with pytest.raises(ConfigError, match="below one step"):
        plan_runs([("", composed(*tiny)), ("", composed(*tiny, "budget.steps=null", "budget.tokens=1"))])


def test_a_run_is_done_with_its_last_artifact_though_an_evaluation_has_no_known_flops():
    def stage(flops, artifact, share):
        return SimpleNamespace(estimate=SimpleNamespace(flops_new=flops), artifact=lambda: artifact, share_done=lambda: share)

    trained, evaluating, evaluated = stage(1e12, "model", 1.0), stage(None, None, 0.5), stage(None, "answers", 1.0)
    assert PlannedRun("", None, [trained, evaluating]).share_done() == 1
    assert not PlannedRun("", None, [trained, evaluating]).is_done()
    assert PlannedRun("", None, [trained, evaluated]).is_done()


@pytest.mark.integration
def test_a_study_is_priced_run_tracked_and_not_done_twice(tiny, tmp_path):
    study = [*tiny, "study=grid", "scale=30k,50k", "seed=0,1", "hydra.launcher.n_jobs=2"]
    first = multirun(*study, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "4 runs, 0 done" in first.stderr
    assert "scale=30k seed=0" in first.stderr
    assert "4 of 4 runs" in first.stderr.splitlines()[-1]
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    runs = tracking.read_runs(uri, "grid")
    assert {(run.tags["scale"], run.tags["seed"]) for run in runs} == {("30k", "0"), ("30k", "1"), ("50k", "0"), ("50k", "1")}
    assert len({run.tags["mlflow.parentRunId"] for run in runs}) == 1

    again = multirun(*study, cwd=tmp_path)
    assert "4 runs, 4 done; 0 training FLOPs to go" in again.stderr
    assert len(tracking.read_runs(uri, "grid")) == 4


@pytest.mark.integration
def test_one_failed_trial_costs_no_other(tiny, tmp_path):
    fatal = ["optim.grad_clip=0", "optim.warmup=0", "study=rates", "hydra.launcher.n_jobs=1"]
    done = multirun(*tiny, *fatal, "optim.lr=1000,1e-3", cwd=tmp_path)
    assert done.returncode == 1
    assert "failed: lr=1000: training diverged" in done.stderr
    assert "Traceback" not in done.stderr
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    (finished,) = tracking.read_runs(uri, "rates")
    assert finished.params["optim.lr"] == "0.001"


@pytest.mark.integration
def test_an_impossible_trial_is_refused_before_any_is_trained(tiny, tmp_path):
    done = multirun(*tiny, "budget.steps=null", "budget.tokens=1e4,10", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("openr1: budget.tokens: 10 is 10 tokens, below one step")
    assert not (tmp_path / "outputs" / "artifacts").exists()
