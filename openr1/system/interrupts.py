"""Signals that end a command in order: SIGINT, SIGTERM and SIGHUP raise :class:`~openr1.system.errors.Interrupted` in the main
thread.

What must be whole runs within :func:`deferred`: the exception waits for its end, such as that of a step of training, whose
state is then saved, but for :data:`DEFERRED_SECONDS` at most. A signal that a command ignores from its start, as under
``nohup``, stays ignored.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from openr1.system.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEFERRED_SECONDS = 5.0
INTERRUPT_SECONDS = 20.0  # for another process to end its step of training and save its state
# a second signal within this time counts as the first: a terminal and `timeout` send it to a process and to its group
REPEAT_SECONDS = 1.0
RAISE_AGAIN_SECONDS = 0.05
POLL_SECONDS = 0.5  # after which a process notices that its parent has ended
PR_SET_PDEATHSIG = 1  # of prctl(2)


class _State:
    received: signal.Signals | None = None
    since = 0.0  # when it was received
    pending = False  # it has not raised its exception yet
    raises = False  # within interruptible()
    deferred = 0  # nested blocks of deferred()
    is_worker = False  # its parent ends it, so that further signals say nothing new
    forking = 0  # the process that forks, for its child
    unraisable_hook: Any = None  # for all other exceptions that Python drops


_state = _State()


def received() -> signal.Signals | None:
    """Return the signal that has interrupted this process, if there is one."""
    return _state.received


@contextmanager
def interruptible(worker: bool = False) -> Iterator[None]:
    """Have the first signal raise :class:`Interrupted` in the block, and a second one end the process at once.

    A block within another, or in another thread than the main one, changes nothing.

    :param worker: the process works for another one, which ends it: further signals are ignored.
    """
    if _state.raises or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _handle_signals()
    _state.unraisable_hook, sys.unraisablehook = sys.unraisablehook, _raise_again
    _state.raises, _state.is_worker = True, _state.is_worker or worker
    try:
        _state.pending = _state.received is not None  # by a process of a pool between two of its jobs
        _raise_if_pending()
        yield
    finally:
        _state.raises = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = _state.unraisable_hook
        for number, handler in before.items():
            signal.signal(number, handler)
        if _handle not in before.values():
            _state.received, _state.is_worker = None, False


@contextmanager
def deferred() -> Iterator[None]:
    """Let the block end before :class:`Interrupted` is raised, unless it takes more than :data:`DEFERRED_SECONDS`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.deferred += 1
    try:
        yield
    except Interrupted:  # by the block itself, once its state is saved
        _state.pending = False
        raise
    finally:
        _state.deferred -= 1
        if _state.received and not _state.deferred:
            signal.setitimer(signal.ITIMER_REAL, 0)
    if not _state.deferred:
        _raise_if_pending()


def take_time() -> None:
    """Let the block of :func:`deferred` take as long as it needs, since it is saving what was interrupted."""
    if _state.received and threading.current_thread() is threading.main_thread():
        signal.setitimer(signal.ITIMER_REAL, 0)


def start_worker() -> None:
    """Make this process one of a pool: it ends with its parent, and a signal interrupts its job or, if it has none, the next.

    Each job runs within :func:`interruptible`.
    """
    _state.is_worker = True
    _handle_signals()
    end_with_parent()


def end_with_parent() -> None:
    """End this process once its parent has ended in any way (:func:`end_after`)."""
    parent = os.getppid()
    end_after(lambda: os.getppid() != parent)


def end_after(has_ended: Callable[[], bool]) -> None:
    """Start a thread that interrupts this process once another one has ended, since nobody waits for its result then.

    A job that has not ended after :data:`INTERRUPT_SECONDS` is cut off.
    """

    def wait_for_end() -> None:
        while not has_ended():
            time.sleep(POLL_SECONDS)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the pipes to the other process are broken, and nobody needs to know
        os.kill(os.getpid(), signal.SIGTERM)
        until = time.monotonic() + INTERRUPT_SECONDS
        while _state.raises and time.monotonic() < until:
            time.sleep(POLL_SECONDS / 10)
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


def _handle_signals() -> dict[int, Any]:
    """Set the handlers of the signals that are not ignored, and return those before."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before: dict[int, Any] = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, _handle)
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _raise_if_pending)
    return before


def _handle(number: int, _: Any) -> None:
    if _state.received is None:
        _state.received, _state.since, _state.pending = signal.Signals(number), time.monotonic(), True
        if _state.raises and _state.deferred:
            signal.setitimer(signal.ITIMER_REAL, DEFERRED_SECONDS)
        else:
            _raise_if_pending()
    elif not _state.is_worker and time.monotonic() - _state.since > REPEAT_SECONDS:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _raise_if_pending(*_: Any) -> None:
    if _state.pending and _state.raises and _state.received:
        _state.pending = False  # what is cleaned up afterwards may be deferred, and is not interrupted again
        raise Interrupted(_state.received)


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """Raise the exception again soon after Python has dropped it, as it does in ``__del__`` and in callbacks."""
    if issubclass(lost.exc_type, Interrupted):
        _state.pending = True
        signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_SECONDS)
    else:
        _state.unraisable_hook(lost)


def _become_child() -> None:
    """Have a fork of an interruptible process, such as one of a pool of multiprocessing, end silently by a signal or with its
    parent."""
    if not _state.raises:
        return
    _state.raises, _state.received = False, None
    for number in SIGNALS:
        if signal.getsignal(number) is _handle:
            signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != _state.forking:  # it ended before this call
            os._exit(1)


def _remember_parent() -> None:
    _state.forking = os.getpid()


os.register_at_fork(before=_remember_parent, after_in_child=_become_child)
