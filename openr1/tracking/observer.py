"""The observer of a run: a sweeper receives the evaluations of a run through it, may end the run, and tags it.

A run knows no sweeper. It calls :func:`report`, :func:`spend`, :func:`note`, :func:`tags` and :func:`label`, which do nothing
without an observer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from openr1.system.errors import Pruned


class RunObserver:
    """Observer of one run. A sweeper overrides :meth:`report`.

    :ivar tags: tags that the tracked run gets beside its own.
    :ivar label: what distinguishes the run from the others of its study, such as ``scale=30k lr=0.01``.
    :ivar noted: facts from :func:`note`: the run's ``metrics``, the ``estimated`` ones, ``run_id`` and ``micro_batch``.
    :ivar spent: FLOPs and seconds that each tracked run has used, by its id.
    """

    def __init__(self, tags: dict[str, str] | None = None, label: str = "") -> None:
        self.tags = tags or {}
        self.label = label
        self.noted: dict[str, Any] = {}
        self.spent: dict[str, dict[str, float]] = {}

    def report(self, tokens: int, metrics: dict[str, float], every: float | None) -> None:
        """Receive the metrics of one row of the curves.

        :raises Pruned: to end the run.
        """

    def report_again(self, tokens: int, metrics: dict[str, float], every: float | None) -> None:
        """Receive the metrics of a row that the curves held already, which cannot end the run."""
        with suppress(Pruned):
            self.report(tokens, metrics, every)

    def spend(self, run_id: str, flops: float, wall_seconds: float) -> None:
        """Receive the FLOPs and seconds that a tracked run has used so far."""
        self.spent[run_id] = {"flops": flops, "wall_seconds": wall_seconds}

    def note(self, facts: dict[str, Any]) -> None:
        """Receive facts about the run."""
        self.noted |= facts


_observer: ContextVar[RunObserver | None] = ContextVar("observer", default=None)


@contextmanager
def observing(observer: RunObserver | None) -> Iterator[None]:
    """Let an observer observe the runs in the block.

    :param observer: None for no observer, as for a stage whose losses say nothing about the whole recipe.
    """
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


@contextmanager
def unreported() -> Iterator[None]:
    """Report no losses from the block; notes, amounts spent and tags still pass."""
    observer = _observer.get()
    if observer is None:
        yield
        return
    silent = RunObserver(observer.tags, observer.label)
    silent.noted, silent.spent = observer.noted, observer.spent
    with observing(silent):
        yield


def report(tokens: float, metrics: dict[str, float], every: float | None = None) -> None:
    """Report what was measured after so many tokens.

    :param every: the run is evaluated at multiples of so many tokens, where it can be compared with other runs.
    :raises Pruned: if the observer ends the run.
    """
    if observer := _observer.get():
        observer.report(round(tokens), metrics, every)


def report_again(rows: Iterable[dict[str, float]], every: float | None = None) -> None:
    """Report rows that the curves of a run hold already. They cannot end the run."""
    if observer := _observer.get():
        for row in rows:
            observer.report_again(round(row["tokens"]), row, every)


def spend(run_id: str, flops: float, wall_seconds: float) -> None:
    """Report the FLOPs and seconds that a tracked run has used so far."""
    if observer := _observer.get():
        observer.spend(run_id, flops, wall_seconds)


def note(**facts: Any) -> None:
    """Report facts about the run. A later value replaces an earlier one."""
    if observer := _observer.get():
        observer.note(facts)


def tags() -> dict[str, str]:
    """Return the tags that the tracked run gets beside its own."""
    observer = _observer.get()
    return observer.tags if observer else {}


def label() -> str:
    """Return what distinguishes the run from the others of its study; empty if nothing says."""
    observer = _observer.get()
    return observer.label if observer else ""
