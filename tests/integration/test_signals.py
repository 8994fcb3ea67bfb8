"""Commands that are sent a signal: they keep their state, end their processes, and go on by the same command."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import optuna
import psutil
import pytest
from helpers.cli import Command, command
from helpers.configs import composed

from openr1.runs.fingerprint import identify
from openr1.system.artifacts import Store
from openr1.tracking import mlflow as tracking

pytestmark = pytest.mark.integration

STEPS = ["budget.steps=4000", "stage.log_points=400", "compute.checkpoint_minutes=null"]


@pytest.fixture
def long(tiny):
    """Return overrides of a run that trains for longer than a test lasts, and keeps no checkpoint of itself."""
    return [*tiny, *STEPS]


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a command and returns it once a condition holds; it is killed at the end of the test."""
    commands = []

    def start(condition, *words):
        started = Command(*words, cwd=tmp_path)
        commands.append(started)
        until = time.monotonic() + 1200
        while not condition(started):
            assert time.monotonic() < until
            assert started.poll() is None, started.finish().stderr
            time.sleep(0.05)
        return started

    yield start
    for started in commands:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)


def trains(folder, runs=1):
    """Return the condition that so many runs have written their curves."""
    return lambda _: len(curves(folder)) >= runs


def curves(folder):
    """Return the curves of the runs under way; none while folders are moved into place."""
    with suppress(FileNotFoundError):
        return [path for path in Path(folder).rglob(".partial/*/history.jsonl") if "train_loss" in path.read_text()]
    return []


def checkpoints(folder):
    with suppress(FileNotFoundError):
        return list(Path(folder).rglob("checkpoints/checkpoint-*/complete"))
    return []


def statuses(folder, study="default"):
    runs = tracking.read_runs(f"sqlite:///{folder}/outputs/mlflow.db", study, status=None)
    return sorted(run.status for run in runs)


def interrupt(started, number, seconds=60):
    """Send a signal to a command, and return what it wrote and the processes that it has left behind."""
    children = psutil.Process(started.pid).children(recursive=True)
    os.kill(started.pid, number)
    sent = time.monotonic()
    ended = started.finish()
    print(f"ended after {time.monotonic() - sent:.1f} s:", ended.stdout, ended.stderr, sep="\n")
    _, alive = psutil.wait_procs(children, timeout=seconds)
    return ended, alive


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run(start, long, tmp_path, number):
    started = start(trains(tmp_path), "openr1", *long)
    ended, alive = interrupt(started, number)
    assert ended.returncode == 128 + number
    assert ended.stderr.splitlines()[-1] == f"openr1: interrupted by {number.name}; the same command resumes"
    assert "Traceback" not in ended.stderr
    assert not alive
    assert len(checkpoints(tmp_path)) == 1
    assert statuses(tmp_path) == ["KILLED"]


def test_an_interrupted_run_goes_on_to_the_same_bytes(start, tiny, tmp_path):
    words = [*tiny, "budget.steps=1000", "stage.log_points=20", "compute.checkpoint_minutes=null"]
    started = start(trains(tmp_path), "openr1", *words)
    ended, _ = interrupt(started, signal.SIGTERM)
    assert ended.returncode == 143
    assert len(checkpoints(tmp_path)) == 1
    done = command("openr1", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = command("openr1", *words, "study=whole", f"paths.artifacts={tmp_path}/whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    fingerprint = identify(composed(*words))[0]
    resumed, undisturbed = (
        Store(folder).find("pretrain", fingerprint) for folder in (tmp_path / "outputs" / "artifacts", tmp_path / "whole")
    )
    assert resumed.sha256() == undisturbed.sha256()
    curves = [[{**row, "seconds": 0} for row in artifact.history()] for artifact in (resumed, undisturbed)]
    assert curves[0] == curves[1]
    assert statuses(tmp_path) == ["FINISHED"]


def test_a_recipe(start, tiny, tmp_path):
    words = ["recipe=r1_zero", "data=sums", "data.sources.sums.problems=300", "data.eval_fraction=0.2", "scale=30k"]
    started = start(trains(tmp_path), "openr1", *words, *STEPS, f"paths.outputs={tmp_path}/outputs")
    ended, alive = interrupt(started, signal.SIGTERM)
    assert ended.returncode == 143
    assert not alive
    assert len(checkpoints(tmp_path)) == 1
    assert statuses(tmp_path) == ["KILLED", "KILLED"]  # the trial and its stage


def test_a_run_on_several_processes(start, long, tmp_path):
    started = start(trains(tmp_path), "openr1", *long, "compute=ddp")
    ended, alive = interrupt(started, signal.SIGTERM)
    assert ended.returncode == 143
    assert ended.stderr.splitlines()[-1] == "openr1: interrupted by SIGTERM; the same command resumes"
    assert "Traceback" not in ended.stderr
    assert not alive
    assert len(checkpoints(tmp_path)) == 1
    assert statuses(tmp_path) == ["KILLED"]


STUDY = ["seed=0,1", "sweep.calibrate=false", "hydra.launcher.n_jobs=2", "study=pair"]


NIGHTLY = [pytest.param(name, marks=pytest.mark.nightly) for name in ("joblib", "submitit_local")]


@pytest.mark.parametrize("launcher", ["local", *NIGHTLY])
def test_a_study(start, long, tmp_path, launcher):
    if launcher == "submitit_local":
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = STUDY if launcher != "submitit_local" else [word for word in STUDY if "n_jobs" not in word]
    started = start(trains(tmp_path, runs=2), "openr1", "-m", *long, *words, f"hydra/launcher={launcher}")
    ended, alive = interrupt(started, signal.SIGTERM)
    assert ended.returncode == 143
    assert ended.stderr.splitlines()[-1] == "openr1: interrupted by SIGTERM; the same command resumes"
    assert "Traceback" not in ended.stderr
    assert "resource_tracker" not in ended.stderr
    assert not alive
    assert len(checkpoints(tmp_path)) == 2
    assert statuses(tmp_path, "pair") == ["KILLED", "KILLED"]


def test_a_killed_study_leaves_no_process(start, long, tmp_path):
    started = start(trains(tmp_path), "openr1", "-m", *long, *STUDY)
    ended, alive = interrupt(started, signal.SIGKILL, seconds=20)
    assert ended.returncode == -signal.SIGKILL
    assert not alive


def test_a_search(start, long, tmp_path):
    words = ["sweep=search", "optim.lr=interval(0.001,0.01)", "sweep.name=pair", "sweep.n_trials=4", "sweep.calibrate=false"]
    started = start(trains(tmp_path, runs=2), "openr1", "-m", *long, *words, "hydra.launcher.n_jobs=2")
    ended, alive = interrupt(started, signal.SIGTERM)
    assert ended.returncode == 143
    assert ended.stderr.splitlines()[-1] == "openr1: interrupted by SIGTERM; the same command resumes"
    assert "Traceback" not in ended.stderr
    assert not alive
    assert len(checkpoints(tmp_path)) == 2
    assert statuses(tmp_path, "pair") == ["KILLED", "KILLED"]
    study = optuna.load_study(study_name="pair", storage=f"sqlite:///{tmp_path}/outputs/optuna.db")
    assert [trial.state.name for trial in study.trials] == ["FAIL", "FAIL", "WAITING", "WAITING"]


def test_the_calibration_of_a_plan(start, long, tmp_path):
    started = start(
        lambda started: psutil.Process(started.pid).children(),
        "openr1-plan",
        *long,
        "scale=30k,100k",
        "hydra.launcher.n_jobs=2",
    )
    ended, alive = interrupt(started, signal.SIGTERM)
    assert ended.returncode == 143
    assert ended.stderr.splitlines()[-1] == "openr1-plan: interrupted by SIGTERM; the same command resumes"
    assert not alive
