"""A queue of work that the processes of one run share: each takes the next piece whenever it is free.

No piece depends on another one, so the processes need no collective operations. They meet at a key-value store of torch, that
of their launcher, and no process but the first waits for others.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from torch import distributed

POLL_SECONDS = 0.2
FOREVER = timedelta(days=365)  # a process that ends takes the others with it, so nobody waits in vain
# variables of the environment by which torch and vLLM find the other processes of a group
GROUP = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE")

PIECES, TAKEN, DONE, RESULT = "pieces", "taken", "done", "result"  # keys of the store


class WorkQueue:
    """The pieces of work of one stage, as one of its processes sees them. The first process offers them.

    >>> store = distributed.HashStore()
    >>> first, second = (WorkQueue(store, rank, 2) for rank in range(2))
    >>> first.offer(["a", "b", "c"])
    >>> pieces = first.pieces(), second.pieces()
    >>> next(pieces[1]), next(pieces[0]), next(pieces[1]), next(pieces[0], None)
    ('a', 'b', 'c', None)
    """

    def __init__(self, store: distributed.Store, rank: int, processes: int) -> None:
        self.store, self.rank, self.processes = store, rank, processes

    @property
    def is_first(self) -> bool:
        """True in the process that offers the work, collects the results and makes the artifact of them."""
        return self.rank == 0

    def offer(self, pieces: Sequence[Any]) -> None:
        """Offer pieces of work, which are values of JSON, to all processes."""
        self.store.set(PIECES, json.dumps(pieces))

    def pieces(self) -> Iterator[Any]:
        """Take a piece and yield it, until none is left. Waits until the first process has offered them."""
        self.store.wait([PIECES], FOREVER)
        pieces = json.loads(self.store.get(PIECES))
        while (number := self.store.add(TAKEN, 1) - 1) < len(pieces):
            yield pieces[number]

    def count(self, amount: int) -> None:
        """Count so much as done, by this process."""
        self.store.add(DONE, amount)

    def done(self) -> int:
        """Return how much all processes have done."""
        return self.store.add(DONE, 0)

    def finish(self, result: Any) -> None:
        """Hand a value of JSON to the first process: this process has taken all that was left, and has done it."""
        self.store.set(f"{RESULT}/{self.rank}", json.dumps(result))

    def results(self, waiting: Callable[[], None]) -> list[Any]:
        """Return what all processes have handed over, in the order of the ranks, once all of them have.

        :param waiting: called again and again until then.
        """
        keys = [f"{RESULT}/{rank}" for rank in range(self.processes)]
        while not self.store.check(keys):
            waiting()
            time.sleep(POLL_SECONDS)
        return [json.loads(self.store.get(key)) for key in keys]


def join_queue() -> WorkQueue:
    """Return the queue of this process, which :mod:`openr1.distributed.launcher` has started.

    The process is on its own otherwise: what would make an engine in it one of a group is removed from the environment.
    """
    store, rank, processes = next(distributed.rendezvous("env://"))
    for name in GROUP:
        os.environ.pop(name, None)
    return WorkQueue(store, rank, processes)
