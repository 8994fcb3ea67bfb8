"""Storages that do not answer for a while."""

import signal
import sqlite3
import threading
import time

import pytest
from helpers.sweeps_studies import opened, space_of, sweep_of, worker_of
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import InMemoryStorage
from sqlalchemy.exc import OperationalError

from openr1.sweeps.optuna import patience, storage
from openr1.sweeps.optuna.compat import storage_of, trial_id
from openr1.sweeps.optuna.patience import PatientStorage
from openr1.sweeps.optuna.storage import open_storage
from openr1.system.errors import RunError
from openr1.system.processes import current_process

AWAY = OperationalError("SELECT 1", {}, Exception("connection refused\nis the server running?"))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(patience, "PAUSES", (0.01, 0.02))
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.3)


class Flaky:
    """A storage whose first calls fail."""

    def __init__(self, *errors):
        self.errors = list(errors)

    def get_all_studies(self):
        if self.errors:
            raise self.errors.pop(0)
        return []


def patient(*errors):
    lines = []
    storage = PatientStorage(Flaky(*errors), "postgresql://host/studies")
    storage.say = lines.append
    return storage, lines


def of_optuna():
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = AWAY
    return error


def test_a_storage_that_is_away_for_a_while_is_waited_for_and_told_once():
    storage, lines = patient(OSError("stale file handle"), AWAY, of_optuna())
    assert storage.get_all_studies() == []
    assert lines == ["postgresql://host/studies does not answer: stale file handle; trying again for 0.3 s"]
    assert storage.away_since is None


def test_a_storage_that_stays_away_ends_the_command_and_is_not_waited_for_again():
    storage, lines = patient(*[AWAY] * 1000)
    with pytest.raises(
        RunError, match=r"^sweep.storage: postgresql://host/studies does not answer: .*; the same command resumes"
    ):
        storage.get_all_studies()
    left = len(storage.storage.errors)
    with pytest.raises(RunError):
        storage.get_all_studies()
    assert len(storage.storage.errors) == left - 1
    assert len(lines) == 1


def test_what_a_storage_refuses_is_not_tried_again():
    storage, lines = patient(DuplicatedStudyError("study"))
    with pytest.raises(DuplicatedStudyError):
        storage.get_all_studies()
    assert lines == []


def test_an_interrupted_command_does_not_wait(monkeypatch):
    storage, _ = patient(*[AWAY] * 1000)
    monkeypatch.setattr(patience, "received", lambda: signal.SIGTERM)
    with pytest.raises(RunError):
        storage.get_all_studies()
    assert len(storage.storage.errors) == 999


def locked_for(path, seconds):
    """Lock a SQLite file as another program does, and return once it is locked."""
    locked = threading.Event()

    def lock():
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        locked.set()
        time.sleep(seconds)
        connection.close()

    threading.Thread(target=lock).start()
    locked.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("seconds", "ends_well"), [(0.3, True), (1.5, False)])
def test_a_search_goes_on_after_its_file_was_locked(tmp_path, monkeypatch, seconds, ends_well):
    monkeypatch.setattr(storage, "ATTEMPT_SECONDS", 0.05)
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.8)
    sweep, space, lines = sweep_of(tmp_path, n_trials=3), space_of("x=interval(0,1)"), []
    study = opened(sweep, space)
    open_storage(sweep.storage).say = lines.append

    def objective(given, number):
        if number == 1:
            locked_for(tmp_path / "optuna.db", seconds)
        return {"eval_loss": given["x"]}

    worker = worker_of(sweep, space, objective, study)
    if ends_well:
        worker.work()
    else:
        with pytest.raises(RunError, match=r"does not answer: .*database is locked.* resumes the search$"):
            worker.work()
        time.sleep(1.0)
        ended = {**current_process(), "started": "1"}
        storage_of(study).set_trial_user_attr(trial_id(study.trials[1]), "worker", ended)
        worker_of(sweep, space, lambda given, number: {"eval_loss": given["x"]}).work()
    assert len(lines) == 1
    assert [trial.state.name for trial in study.trials].count("COMPLETE") == 3


def test_a_server_is_not_waited_for_without_a_limit(monkeypatch):
    given = []
    monkeypatch.setattr(storage, "RDBStorage", lambda url, engine_kwargs: given.append(engine_kwargs) or InMemoryStorage())
    open_storage.__wrapped__("postgresql://me@host/studies")
    assert given[0]["connect_args"]["connect_timeout"] == storage.ATTEMPT_SECONDS
