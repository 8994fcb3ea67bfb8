"""Waiting for a store that is locked by another program, or is away for a moment, before it is taken not to answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from openr1.system.faults import is_full

T = TypeVar("T")

LOCK_SECONDS = 600.0  # for which another program may lock the file of a store
AWAY_SECONDS = 15.0  # for which a server may be away; with the limit of one request, less than a minute in all
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds between two tries

_waits: ContextVar[bool] = ContextVar("waits", default=True)


@contextmanager
def without_waiting() -> Iterator[None]:
    """Try each request of the block once, as a run does that has better things to do."""
    token = _waits.set(False)
    try:
        yield
    finally:
        _waits.reset(token)


def patiently(uri: str, request: Callable[[], T], repeatable: bool = True) -> T:
    """Make a request to a store, again and again while the store is locked or away, and say so once.

    :param repeatable: False for a request that must not reach the store twice: it is not repeated after a time-out, since the
        store may have received it.
    :raises Exception: the error of the last try.
    """
    begin, pause, said = time.monotonic(), FIRST_PAUSE, False
    while True:
        try:
            return request()
        except Exception as error:
            seconds = _seconds_to_wait(error, repeatable) if _waits.get() else 0.0
            if time.monotonic() - begin + pause > seconds:
                raise
            if not said:
                reason = "is locked by another program" if is_locked(error) else "does not answer"
                print(f"tracking.uri: {uri} {reason}; waiting for it", file=sys.stderr, flush=True)
            said = True
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


class PatientClient:
    """A client of MLflow whose requests wait for the store (:func:`patiently`)."""

    def __init__(self, store: Any, uri: str) -> None:
        self._store, self._uri = store, uri

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)
        repeatable = not name.startswith("create_")
        return lambda *values, **named: patiently(self._uri, lambda: method(*values, **named), repeatable)


def is_locked(error: BaseException) -> bool:
    """Return True for the error of a SQLite file that another program has locked."""
    return any("database is locked" in str(cause) for cause in _causes(error))


def is_away(error: BaseException) -> bool:
    """Return True for the error of a store that may take the same request later: it is locked, full, or does not answer."""
    return is_locked(error) or is_full(error) or any(map(_no_answer, _causes(error)))


def _seconds_to_wait(error: Exception, repeatable: bool) -> float:
    if is_full(error) or (not repeatable and any(map(_is_timeout, _causes(error)))):
        return 0.0
    return LOCK_SECONDS if is_locked(error) else AWAY_SECONDS if is_away(error) else 0.0


def _no_answer(error: BaseException) -> bool:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code == 429 or error.response.status_code >= 500
    if isinstance(error, ValueError | FileNotFoundError | NotADirectoryError | PermissionError):
        return False  # a wrong address, or a file of this machine
    return isinstance(error, OSError) or getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE"


def _is_timeout(error: BaseException) -> bool:
    import requests

    return isinstance(error, TimeoutError | requests.Timeout)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
