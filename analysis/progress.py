"""A line on the terminal that says what an analysis is doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from openr1.system.terminal import console

_tell: ContextVar[Callable[[str], object] | None] = ContextVar("tell", default=None)


def tell_step(step: str) -> None:
    """Say what is done now, where somebody asked for it."""
    if teller := _tell.get():
        teller(f"{step} …")


@contextmanager
def telling(to: Callable[[str], object]) -> Iterator[None]:
    """Pass each step in the block to a function."""
    token = _tell.set(to)
    try:
        yield
    finally:
        _tell.reset(token)


@contextmanager
def on_terminal() -> Iterator[None]:
    """Show each step in the block on one line of the terminal; nothing in a pipe or a file."""
    from rich.markup import escape

    with console(stderr=True).status("") as status, telling(lambda step: status.update(escape(step))):
        yield
