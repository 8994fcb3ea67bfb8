"""What a sweeper hands in to a run: whom to tell its evaluation losses, who may end it, and tags of its tracked run.

A run knows no sweeper. It calls :func:`report`, :func:`note` and :func:`tags`, which do nothing where nobody watches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class Watcher:
    """Watches one run. A sweeper's own overrides :meth:`report`.

    :ivar tags: of the tracked run, beside its own.
    :ivar noted: what the run said of itself: its ``metrics``, ``run_id`` and ``micro_batch``.
    """

    def __init__(self, tags: dict[str, str] | None = None) -> None:
        self.tags = tags or {}
        self.noted: dict[str, Any] = {}

    def report(self, tokens: int, metrics: dict[str, float]) -> None:
        """Told of each evaluation.

        :raises Pruned: to end the run.
        """


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(watcher: Watcher | None) -> Iterator[None]:
    """Whoever watches the runs of the block; None for nobody, as for a stage whose losses say nothing of the whole."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextmanager
def unreported() -> Iterator[None]:
    """Losses in the block are not reported; what runs note, and their tags, stay."""
    watcher = _watcher.get()
    if watcher is None:
        yield
        return
    silent = Watcher(watcher.tags)
    silent.noted = watcher.noted
    with watching(silent):
        yield


def report(tokens: float, metrics: dict[str, float]) -> None:
    """Say what an evaluation after so many tokens came to.

    :raises Pruned: where the run is not worth its cost.
    """
    if watcher := _watcher.get():
        watcher.report(round(tokens), metrics)


def note(**facts: Any) -> None:
    """Say something of the run: the last word counts."""
    if watcher := _watcher.get():
        watcher.noted |= facts


def tags() -> dict[str, str]:
    """What the tracked run is tagged with, beside its own tags."""
    watcher = _watcher.get()
    return watcher.tags if watcher else {}
