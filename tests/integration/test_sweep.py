"""Sweeps whose workers are killed, and that share a real database."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import optuna
import pytest
from helpers.cli import Command
from helpers.postgres import postgres_server

from openr1.sweeps.optuna.storage import open_storage

pytestmark = pytest.mark.integration
APP = Path(__file__).parents[1] / "helpers" / "sweep_app.py"
X = "optim.lr=interval(0.01,1)"


@pytest.fixture
def start_worker(tiny, tmp_path):
    """Return a function that starts a worker of one study in the background."""

    def start_worker(*arguments, **env):
        words = ["-m", "sweep=search", *tiny, X, "sweep.name=shared", "sweep.calibrate=false", *arguments]
        return Command(APP, *words, cwd=tmp_path, **env)

    return start_worker


def exit_code(worker):
    """Wait for the end of a worker; pytest shows what it wrote where the test fails."""
    done = worker.finish()
    print(f"process {worker.pid}, exit code {done.returncode}:", done.stdout, done.stderr, sep="\n")
    return done.returncode


def wait_for(condition, worker=None, seconds=300):
    """Wait until a condition holds, unless a worker that should bring it about ends."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        assert worker is None or worker.poll() is None, exit_code(worker)
        time.sleep(0.1)


def trials(storage):
    try:
        return optuna.load_study(storage=open_storage(storage), study_name="shared").get_trials()
    except Exception:  # it is not made yet
        return []


NIGHTLY_LOCAL = pytest.param("local", marks=pytest.mark.nightly)


@pytest.fixture
def postgres():
    """Start a server and return its URL."""
    with postgres_server() as url:
        yield url


@pytest.mark.parametrize("launcher", ["basic", NIGHTLY_LOCAL])
def test_a_killed_worker_loses_no_finished_trial_and_its_running_one_is_tried_again(start_worker, tmp_path, launcher):
    storage = f"sqlite:///{tmp_path}/outputs/optuna.db"
    given = [f"hydra/launcher={launcher}", "sweep.n_trials=6"]
    if launcher == "local":
        given.append("hydra.launcher.n_jobs=2")
    first = start_worker(*given, TRIAL_SECONDS="2")
    wait_for(lambda: sum(trial.state.name == "COMPLETE" for trial in trials(storage)) >= 2, first)
    time.sleep(0.5)
    os.killpg(first.pid, signal.SIGKILL)
    first.finish()
    before = trials(storage)
    assert any(trial.state.name == "RUNNING" for trial in before)
    finished_values = {trial.number: trial.value for trial in before if trial.state.name == "COMPLETE"}
    assert exit_code(start_worker(*given)) == 0
    after = trials(storage)
    assert {number: after[number].value for number in finished_values} == finished_values
    assert sum(trial.state.name == "COMPLETE" for trial in after) == 6
    lost = [trial for trial in before if trial.state.name == "RUNNING" and trial.params]
    again = [trial.params for trial in after if trial.state.name == "COMPLETE"]
    assert all(trial.params in again for trial in lost)
    assert {trial.state.name for trial in after} <= {"COMPLETE", "FAIL"}
    assert all("was killed" in trial.user_attrs["failure"] for trial in after if trial.state.name == "FAIL")


@pytest.mark.parametrize(
    "kind", [*(pytest.param(kind, marks=pytest.mark.nightly) for kind in ("sqlite", "journal")), "postgresql"]
)
def test_workers_share_a_storage(start_worker, tmp_path, kind, request):
    if kind == "postgresql":
        storage = request.getfixturevalue("postgres")
    else:
        storage = f"sqlite:///{tmp_path}/studies.db" if kind == "sqlite" else f"journal://{tmp_path}/studies.log"
    given = [
        "hydra/launcher=basic",
        "sweep.n_trials=12",
        f"sweep.storage={storage}",
        "sweep.enqueue=[{optim.lr:0.5},{optim.lr:0.25}]",
    ]
    began = tmp_path / "began"
    workers = [start_worker(*given, TRIAL_SECONDS="0.3", TRIAL_LOG=str(began)) for _ in range(3)]
    assert [exit_code(worker) for worker in workers] == [0, 0, 0]
    finished = trials(storage)
    assert [trial.state.name for trial in finished if "surplus" not in trial.user_attrs] == ["COMPLETE"] * 12
    assert len({trial.user_attrs["worker"]["pid"] for trial in finished}) > 1
    drawn = [trial.params["optim.lr"] for trial in finished if "surplus" not in trial.user_attrs]
    assert drawn.count(0.5) == drawn.count(0.25) == 1
    assert len(set(drawn)) == 12
    assert sorted(map(float, began.read_text().split())) == sorted(drawn)  # none of them by two workers


LAUNCHERS = {
    "joblib": None,
    "ray": "hydra_plugins.hydra_ray_launcher",
    "submitit_local": "hydra_plugins.hydra_submitit_launcher",
    "submitit_slurm": "hydra_plugins.hydra_submitit_launcher",
}


def needs(launcher):
    if LAUNCHERS.get(launcher):
        pytest.importorskip(LAUNCHERS[launcher])
    if launcher == "submitit_slurm" and (
        not shutil.which("sinfo") or subprocess.run(["sinfo", "-h"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no SLURM on this machine")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_launcher_has_trials_side_by_side(start_worker, tmp_path, launcher):
    needs(launcher)
    given = [f"hydra/launcher={launcher}", "sweep.n_trials=4", "sweep.n_jobs=2"]
    worker = start_worker(*given, TRIAL_SECONDS="1", TRIAL_LOG=str(tmp_path / "trials"))
    assert exit_code(worker) == 0
    finished = trials(f"sqlite:///{tmp_path}/outputs/optuna.db")
    assert [trial.state.name for trial in finished] == ["COMPLETE"] * 4
    assert all(trial.intermediate_values.keys() == {100, 200, 300} for trial in finished)
    assert finished[0].datetime_complete > finished[1].datetime_start
    assert len((tmp_path / "trials").read_text().split()) == 4


def beside(folder):
    """Return the commands of the processes that run in a folder."""
    commands = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder and (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                commands.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended
            continue
    return commands


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="no /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("launcher", ["basic", NIGHTLY_LOCAL, "submitit_local"])
def test_a_worker_that_ends_takes_its_trials_with_it(start_worker, tmp_path, launcher, how):
    needs(launcher)
    storage = f"sqlite:///{tmp_path}/outputs/optuna.db"
    given = [f"hydra/launcher={launcher}", "sweep.n_trials=4", "sweep.n_jobs=" + ("1" if launcher == "basic" else "2")]
    worker = start_worker(*given, TRIAL_SECONDS="300")
    wait_for(lambda: any(trial.intermediate_values for trial in trials(storage)), worker)
    os.kill(worker.pid, how)
    assert exit_code(worker) == (143 if how == signal.SIGTERM else -how)
    wait_for(lambda: not beside(tmp_path))
    begun = [trial for trial in trials(storage) if trial.params]
    assert begun
    if how == signal.SIGTERM:
        # they are in the queue again, and the results so far are written
        assert {trial.state.name for trial in begun} == {"FAIL", "WAITING"}
        assert {trial.user_attrs["failure"] for trial in begun if trial.state.name == "FAIL"} == {"interrupted"}
        assert (tmp_path / "outputs" / "studies" / "shared" / "optimization_results.yaml").exists()
