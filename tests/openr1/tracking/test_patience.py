import pytest
import requests
from mlflow.exceptions import MlflowException

from openr1.tracking import patience
from openr1.tracking.patience import PatientClient, patiently, without_waiting

LOCKED = MlflowException("(sqlite3.OperationalError) database is locked")
REFUSED = MlflowException("no")


def away(kind):
    error = MlflowException("API request failed")
    error.__context__ = kind("no answer")
    return error


class Store:
    """A store that fails a number of times."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def log_batch(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    create_run = log_batch


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Let time pass at once."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_a_store_that_is_locked_for_a_minute_is_waited_for_and_said_once(clock, capsys):
    assert PatientClient(Store(*[LOCKED] * 15), "sqlite:///a").log_batch() == "done"
    assert clock[0] > 60
    assert capsys.readouterr().err == "tracking.uri: sqlite:///a is locked by another program; waiting for it\n"


@pytest.mark.parametrize("kind", [requests.ConnectionError, requests.Timeout, ConnectionResetError])
def test_a_server_that_is_away_is_waited_for_less_than_a_minute(clock, capsys, kind):
    assert PatientClient(Store(away(kind), away(kind)), "http://a").log_batch() == "done"
    assert capsys.readouterr().err == "tracking.uri: http://a does not answer; waiting for it\n"
    with pytest.raises(MlflowException):
        PatientClient(Store(*[away(kind)] * 1000), "http://a").log_batch()
    assert clock[0] < 60


@pytest.mark.parametrize("error", [REFUSED, ValueError("x"), FileNotFoundError("x"), OSError(28, "No space left on device")])
def test_other_errors_are_raised_at_once(error):
    store = Store(error)
    with pytest.raises(type(error)):
        PatientClient(store, "http://a").log_batch()
    assert store.calls == 1


def test_nothing_is_created_twice_after_a_time_out():
    store = Store(away(requests.Timeout))
    with pytest.raises(MlflowException):
        PatientClient(store, "http://a").create_run()
    assert store.calls == 1
    assert PatientClient(Store(away(requests.ConnectionError)), "http://a").create_run() == "done"


def test_a_run_that_trains_does_not_wait(clock):
    with pytest.raises(MlflowException), without_waiting():
        patiently("http://a", Store(LOCKED).log_batch)
    assert clock[0] == 0


def test_what_may_be_taken_later():
    full = MlflowException("(sqlite3.OperationalError) database or disk is full")
    assert all(map(patience.is_away, (LOCKED, full, away(requests.ConnectionError), OSError("no answer"))))
    assert not any(map(patience.is_away, (REFUSED, requests.exceptions.InvalidURL("x"), FileNotFoundError("x"))))
