"""Stores that are killed while they are made, locked, away or on a full disk, with real components."""

import os
import random
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from helpers.cli import Command, command, succeed
from helpers.faults import Line, forked, killed_after, locked_file, mlflow_server, open_anew, resize, small_disk
from helpers.stores import TEMPLATE

from openr1.system.errors import ConfigError, StoreError
from openr1.system.records import read_sealed
from openr1.tracking import mlflow as tracking
from openr1.tracking import patience
from openr1.tracking.options import TrackingConfig
from openr1.tracking.outbox import UNSENT

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("store_faults")]


def uri_of(path):
    return f"sqlite:///{path}"


def track_one(uri, number=0):
    with tracking.track(TrackingConfig(uri=uri), "s", "name", {"stage": "pretrain", "trial": number}, {"a": 1}, {}) as run:
        run.log({"flops": 1.0}, 1)
    return run.run_id


@pytest.fixture(scope="module")
def seconds_to_make(tmp_path_factory):
    begin = time.monotonic()
    open_anew(uri_of(tmp_path_factory.mktemp("made") / "mlflow.db"))
    return time.monotonic() - begin


@pytest.mark.parametrize("kills", [4, pytest.param(24, marks=pytest.mark.nightly)])
def test_a_store_whose_making_is_killed_opens_with_the_next_command(tmp_path, seconds_to_make, kills):
    moments = random.Random(15)
    for number in range(kills):
        folder = tmp_path / str(number)
        folder.mkdir()
        killed_after(lambda folder=folder: open_anew(uri_of(folder / "mlflow.db")), moments.uniform(0, seconds_to_make))
        open_anew(uri_of(folder / "mlflow.db")).create_experiment("a")
        assert {path.name for path in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


def make_in_place(path):
    """Make a store as MLflow itself does."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri_of(path), str(path.parent))


@pytest.mark.parametrize("kills", [4, pytest.param(24, marks=pytest.mark.nightly)])
def test_a_store_that_another_program_left_half_made_is_made_anew(tmp_path, seconds_to_make, kills):
    moments = random.Random(16)
    for number in range(kills):
        path = tmp_path / str(number) / "mlflow.db"
        path.parent.mkdir()
        killed_after(lambda path=path: make_in_place(path), moments.uniform(0, seconds_to_make))
        assert track_one_anew(path)


def track_one_anew(path):
    pid = forked(lambda: (open_anew(uri_of(path)), track_one(uri_of(path))))
    return os.waitpid(pid, 0)[1] == 0


def test_eight_processes_at_once_on_a_fresh_store(tmp_path):
    uri = uri_of(tmp_path / "mlflow.db")
    pids = [forked(lambda number=number: (open_anew(uri), track_one(uri, number))) for number in range(8)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 8
    assert sorted(run.tags["trial"] for run in tracking.read_runs(uri, "s")) == list("01234567")


def one_line(done, status):
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("openr1"), done.stderr
    return line


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """MLflow puts the artifacts of runs that no command tracks below the folder it runs in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, text_file):
    """Return a function that says which bytes a run makes that nothing disturbs."""
    from helpers.configs import tiny_run

    folder = tmp_path_factory.mktemp("undisturbed")
    succeed("openr1", *tiny_run(text_file, folder), cwd=folder)
    return weights_of(folder / "outputs")


def weights_of(outputs):
    (path,) = outputs.glob("artifacts/pretrain-*/model/model.safetensors")
    return path.read_bytes()


# kilobytes of the disk: it is full while Hydra begins, the store or the cache is made, and the run is tracked or saved
@pytest.mark.parametrize("size", [16, 400, 800, 1100, 1300])
def test_a_disk_that_is_full_is_one_line_and_after_room_is_made_the_same_command_works(
    tmp_path, tiny, undisturbed, size, monkeypatch
):
    monkeypatch.delenv(TEMPLATE)  # so that the store is made, and not copied
    with small_disk(tmp_path / "disk", f"{size}k") as disk:
        given = [*(word for word in tiny if not word.startswith("paths.outputs")), f"paths.outputs={disk}/outputs"]
        line = one_line(command("openr1", *given, cwd=tmp_path), 1)
        assert "no space left on the device" in line
        assert str(disk) in line
        resize(disk, "64m")
        succeed("openr1", *given, cwd=tmp_path)
        assert weights_of(disk / "outputs") == undisturbed
        (run,) = tracking.read_runs(uri_of(disk / "outputs" / "mlflow.db"), "default")
        assert "eval_loss" in run.metrics


def test_a_study_on_a_full_disk_says_why_its_runs_failed(tmp_path, tiny):
    with small_disk(tmp_path / "disk", "1400k") as disk:
        given = [*(word for word in tiny if not word.startswith("paths.outputs")), f"paths.outputs={disk}/outputs"]
        words = ["-m", *given, "seed=0,1", "hydra.launcher.n_jobs=1"]
        assert "no space left on the device" in one_line(command("openr1", *words, cwd=tmp_path), 1)
        resize(disk, "64m")
        succeed("openr1", *words, cwd=tmp_path)
        assert len(tracking.read_runs(uri_of(disk / "outputs" / "mlflow.db"), "default")) == 2


def test_a_folder_that_is_deleted_while_a_run_is_in_it_is_one_line(tmp_path, tiny):
    given = [*(word for word in tiny if not word.startswith("budget")), "budget.steps=100000", "stage.log_points=1000"]
    run = Command("openr1", *given, cwd=tmp_path)
    while not list((tmp_path / "outputs").glob("artifacts/.partial/*/history.jsonl")):
        assert run.poll() is None, run.finish()
        time.sleep(0.1)
    shutil.rmtree(tmp_path / "outputs" / "artifacts")
    assert "no such file or folder" in one_line(run.finish(), 1)


def test_too_many_open_files_are_one_line(tmp_path, tiny):
    done = command(Path(__file__).parents[1] / "helpers" / "few_files.py", "openr1", *tiny, cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    if done.returncode:
        assert "too many open files" in one_line(done, 1)


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.nightly)])
def test_a_store_that_another_program_locks_is_waited_for(tmp_path, capfd, monkeypatch, seconds):
    monkeypatch.setattr(
        "sqlite3.connect", lambda *values, __=sqlite3.connect, **named: __(*values, **{**named, "timeout": 0.1})
    )
    path = tmp_path / "mlflow.db"
    tracking.client(uri_of(path))
    with locked_file(path, seconds):
        begin = time.monotonic()
        pid = forked(lambda: (open_anew(uri_of(path)), track_one(uri_of(path))))
        assert os.waitpid(pid, 0)[1] == 0
        assert time.monotonic() - begin > seconds - 1
    err = capfd.readouterr().err
    assert err.count("is locked by another program; waiting for it") == 1


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("server")) as port:
        yield port


@pytest.fixture
def line(port):
    line = Line(port)
    yield line
    line.cut()


@pytest.fixture
def hasty(monkeypatch):
    """Wait for a second where a command waits for fifteen."""
    monkeypatch.setattr(patience, "AWAY_SECONDS", 1.0)


def track(config, keep=None, **tags):
    return tracking.track(config, "s", "name", {"stage": "pretrain", **tags}, {"a": 1}, {"seed": 3}, keep=keep)


def test_a_server_that_is_away_for_a_while_gets_everything_later(line, tmp_path, capsys):
    config = TrackingConfig(uri=line.uri)
    card = tmp_path / "card.md"
    card.write_text("# a card")
    with track(config) as run:
        run.flush_seconds = 0.2
        line.cut()
        begin = time.monotonic()
        for step in range(1, 40):
            run.log({"flops": float(step)}, step)
            time.sleep(0.02)
        run.tag(a="b")
        run.log_file(card)
        run.log_table([{"x": 1}], "table.json", 1)
        assert time.monotonic() - begin < 5  # it went on
        line.open()
    assert capsys.readouterr().err.count("the run continues") == 1
    read = tracking.read_run(line.uri, run.run_id)
    assert (read.status, read.tags["a"], read.metrics["flops"]) == ("FINISHED", "b", 39.0)
    assert len(tracking.read_history(line.uri, run.run_id, ["flops"])) == 39
    assert {file.path for file in tracking.client(line.uri).list_artifacts(run.run_id)} >= {"card.md", "table.json"}


def test_what_a_server_misses_at_the_end_is_sent_by_the_next_command(line, tmp_path, hasty, capsys):
    config = TrackingConfig(uri=line.uri)

    def ends_alone():
        with track(config, tmp_path) as run:
            runs.append(run.run_id)
            run.log({"flops": 1.0}, 1)
            line.cut()
            run.log({"flops": 2.0}, 2)
            run.tag(a="b")

    runs = []
    with pytest.raises(StoreError, match=r"^[^\n]*the run is complete; the next command[^\n]*\.json$"):
        ends_alone()
    (run_id,) = runs
    (kept,) = (tmp_path / UNSENT).glob("*.json")
    assert read_sealed(kept)["run_id"] == run_id
    with pytest.raises(StoreError, match=r"^tracking\.uri"):
        tracking.send_kept(config, tmp_path)
    assert kept.exists()
    line.open()
    tracking.send_kept(TrackingConfig(uri="http://another"), tmp_path)
    assert kept.exists()
    tracking.send_kept(config, tmp_path)
    assert not kept.exists()
    read = tracking.read_run(line.uri, run_id)
    assert (read.status, read.tags["a"]) == ("FINISHED", "b")
    assert len(tracking.read_history(line.uri, run_id, ["flops"])) == 2


def test_a_run_that_fails_while_the_server_is_away_is_no_longer_running_later(line, tmp_path, hasty):
    config = TrackingConfig(uri=line.uri)

    def fails():
        with track(config, tmp_path) as run:
            runs.append(run.run_id)
            line.cut()
            raise ValueError("no good")

    runs = []
    with pytest.raises(ValueError, match="no good"):
        fails()
    line.open()
    tracking.send_kept(config, tmp_path)
    read = tracking.read_run(line.uri, runs[0])
    assert (read.status, read.tags["failure"]) == ("FAILED", "ValueError: no good")


def test_a_command_whose_server_is_away_at_its_end_is_tracked_by_the_next_one(line, tmp_path, tiny):
    given = [*tiny, f"tracking.uri={line.uri}"]
    tracking.client(line.uri)
    run = Command("openr1", *given, cwd=tmp_path, MLFLOW_HTTP_REQUEST_TIMEOUT="5")
    while not list((tmp_path / "outputs").glob("artifacts/.partial/*/history.jsonl")):
        assert run.poll() is None, run.finish()
        time.sleep(0.05)
    line.cut()
    assert "the run is complete" in one_line(run.finish(), 1)
    line.open()
    done = succeed("openr1", *given, cwd=tmp_path)
    assert "now has what was kept" in done.stderr
    (read,) = [found for found in tracking.read_runs(line.uri, "default") if found.status == "FINISHED"]
    assert "eval_loss" in read.metrics


def test_a_server_that_never_answers_is_one_line_within_a_minute(tmp_path, tiny):
    uri = "http://127.0.0.1:9"
    begin = time.monotonic()
    with pytest.raises(ConfigError, match="cannot be opened"):
        open_anew(uri)
    assert time.monotonic() - begin < 45  # a command has to import its libraries too
    done = command("openr1", *tiny, f"tracking.uri={uri}", cwd=tmp_path)
    assert one_line(done, 2).startswith(f"openr1: tracking.uri: {uri} cannot be opened")
    assert not (tmp_path / "outputs" / "artifacts").exists()


@pytest.mark.parametrize("sweep", [["seed=0,1"], ["sweep=search", "sweep.n_trials=2", "optim.lr=interval(1e-3,1e-2)"]])
def test_a_study_whose_experiment_or_run_was_deleted(tmp_path, tiny, sweep):
    words = ["-m", *tiny, *sweep, "study=s", "hydra.launcher.n_jobs=1"]
    succeed("openr1", *words, cwd=tmp_path)
    uri = uri_of(tmp_path / "outputs" / "mlflow.db")
    store = tracking.client(uri)
    (first, _) = tracking.read_runs(uri, "s")
    store.delete_run(first.run_id)
    succeed("openr1", *words, cwd=tmp_path)
    experiment = store.get_experiment_by_name("openr1").experiment_id
    store.delete_experiment(experiment)
    line = one_line(command("openr1", *words, cwd=tmp_path), 2)
    assert line.startswith("openr1: tracking.experiment: 'openr1' was deleted")
    succeed("openr1", *words, "tracking.experiment=other", cwd=tmp_path)
    store.restore_experiment(experiment)
    succeed("openr1", *words, cwd=tmp_path)


def test_names_and_values_beyond_the_limits_of_mlflow(tmp_path, tiny):
    long = "x" * 190
    words = [f"study={long}", f"data.name={long}", f"scale.name={long}", f"tracking.experiment={long}"]
    succeed("openr1", *tiny, *words, cwd=tmp_path)
    (read,) = tracking.read_runs(uri_of(tmp_path / "outputs" / "mlflow.db"), long)
    assert read.tags["data"] == long
    assert long in read.name
    with pytest.raises(ConfigError):
        tracking.check_store(TrackingConfig(uri="sqlite:////proc/x.db"))
