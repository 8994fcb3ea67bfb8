"""A storage that is waited for while it does not answer, such as a server that restarts or a file that is locked."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from optuna.storages import BaseStorage
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from openr1.system.errors import RunError
from openr1.system.interrupts import received

AWAY_SECONDS = 120.0  # after which a command gives up
PAUSES = (0.5, 5.0)  # seconds before the second attempt, which double from attempt to attempt, and the longest


class PatientStorage:
    """A storage with the methods of another one, each of which is tried again for :data:`AWAY_SECONDS`.

    An attempt may fail after it has written. A trial that is made twice so has no worker, and is retried as a lost one; one
    whose result is written twice keeps the first.

    :param name: the storage as it may be shown.
    :ivar say: prints a line when the waiting begins; None for a process whose parent says so.
    """

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self.storage, self.name = storage, name
        self.say: Callable[[str], None] | None = None
        self.away_since: float | None = None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.storage, name)
        return functools.partial(self._call, value) if callable(value) else value

    def _call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        pause, longest = PAUSES
        while True:
            try:
                result = method(*arguments, **named)
            except Exception as error:
                if not is_away(error):
                    raise
                self._note(error)
                time.sleep(pause)
                pause = min(2 * pause, longest)
            else:
                self.away_since = None
                return result

    def _note(self, error: Exception) -> None:
        """Note a failed attempt, and say so if it is the first.

        :raises RunError: after :data:`AWAY_SECONDS`, or once a signal has interrupted the command.
        """
        now = time.monotonic()
        if self.away_since is None:
            self.away_since = now
            if self.say:
                self.say(f"{self.name} does not answer: {_reason(error)}; trying again for {AWAY_SECONDS:g} s")
        if received() or now - self.away_since >= AWAY_SECONDS:
            message = f"sweep.storage: {self.name} does not answer: {_reason(error)}; the same command resumes the search"
            raise RunError(message) from error


def is_away(error: BaseException | None) -> bool:
    """Return True for the error of a storage that does not answer, rather than one that refuses a request."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    # Optuna raises an error of its own from that of the database
    return isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | OSError) or (
        error is not None and error.__cause__ is not None and is_away(error.__cause__)
    )


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).splitlines()), type(error).__name__)
