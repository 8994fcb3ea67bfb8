"""What a sweeper hands in to a run: whom to tell its evaluations, who may end it, and tags of its tracked run.

A run knows no sweeper. It calls :func:`report`, :func:`spend`, :func:`note` and :func:`tags`, which do nothing where nobody
watches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from openr1.errors import Pruned


class RunObserver:
    """Watches one run. A sweeper's own overrides :meth:`report`.

    :ivar tags: of the tracked run, beside its own.
    :ivar noted: what the run said of itself: its ``metrics``, those ``foreseen``, ``run_id`` and ``micro_batch``.
    :ivar spent: by the id of the tracked run, the FLOPs and seconds that it has used.
    """

    def __init__(self, tags: dict[str, str] | None = None) -> None:
        self.tags = tags or {}
        self.noted: dict[str, Any] = {}
        self.spent: dict[str, dict[str, float]] = {}

    def report(self, tokens: int, metrics: dict[str, float], every: float | None) -> None:
        """Told of each row of the curves.

        :raises Pruned: to end the run.
        """


_observer: ContextVar[RunObserver | None] = ContextVar("watcher", default=None)


@contextmanager
def observing(observer: RunObserver | None) -> Iterator[None]:
    """Whoever watches the runs of the block; None for nobody, as for a stage whose losses say nothing of the whole."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@contextmanager
def unreported() -> Iterator[None]:
    """Losses in the block are not reported; what runs note, and their tags, stay."""
    observer = _observer.get()
    if observer is None:
        yield
        return
    silent = RunObserver(observer.tags)
    silent.noted, silent.spent = observer.noted, observer.spent
    with observing(silent):
        yield


def report(tokens: float, metrics: dict[str, float], every: float | None = None) -> None:
    """Say what was measured after so many tokens.

    :param every: of the tokens at whose multiples the run is evaluated, so that it can be compared with others there.
    :raises Pruned: where the run is not worth its cost.
    """
    if observer := _observer.get():
        observer.report(round(tokens), metrics, every)


def report_again(rows: Iterable[dict[str, float]], every: float | None = None) -> None:
    """Say what the curves of a run hold already; what is done is not ended for it."""
    for row in rows if _observer.get() else ():
        with suppress(Pruned):
            report(row["tokens"], row, every)


def spend(run_id: str, flops: float, wall_seconds: float) -> None:
    """Say what a tracked run has used so far."""
    if observer := _observer.get():
        observer.spent[run_id] = {"flops": flops, "wall_seconds": wall_seconds}


def note(**facts: Any) -> None:
    """Say something of the run: the last word counts."""
    if observer := _observer.get():
        observer.noted |= facts


def tags() -> dict[str, str]:
    """What the tracked run is tagged with, beside its own tags."""
    observer = _observer.get()
    return observer.tags if observer else {}
