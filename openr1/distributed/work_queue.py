"""A queue of work that the processes of one run share: each takes the next piece whenever it is free.

No piece depends on another one, so the processes need no collective operations. They meet at a key-value store of torch, that
of their launcher, and no process but the first waits for others.
"""

from __future__ import annotations

import base64
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from torch import distributed

POLL_SECONDS = 0.2
# variables of the environment by which torch and vLLM find the other processes of a group
GROUP = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE")

PLAN, TAKEN, DONE, RESULT = "plan", "taken", "done", "result"  # keys of the store


class WorkQueue:
    """The pieces of work of one stage, as one of its processes sees them. The first process offers them.

    >>> store = distributed.HashStore()
    >>> first, second = (WorkQueue(store, rank, 2) for rank in range(2))
    >>> first.offer("ends", 3)
    >>> second.plan()
    'ends'
    >>> one, other = first.pieces(), second.pieces()
    >>> next(other), next(one), next(other), next(one, "none is left")
    (0, 1, 2, 'none is left')
    """

    def __init__(self, store: distributed.Store, rank: int, processes: int) -> None:
        self.store, self.rank, self.processes = store, rank, processes

    @property
    def is_first(self) -> bool:
        """True in the process that offers the work, collects the results and makes the artifact of them."""
        return self.rank == 0

    def offer(self, plan: Any, pieces: int) -> None:
        """Offer pieces of work to all processes.

        :param plan: a value of JSON that tells what each piece is.
        """
        # the store of torch refuses values of more than some megabytes
        packed = zlib.compress(json.dumps([plan, pieces]).encode())
        self.store.set(PLAN, base64.b64encode(packed).decode())

    def plan(self) -> Any:
        """Return what the first process has offered; wait until it has."""
        return self._offered()[0]

    def pieces(self) -> Iterator[int]:
        """Take the next piece and yield its number, until none is left."""
        pieces = self._offered()[1]
        while (number := self.store.add(TAKEN, 1) - 1) < pieces:
            yield number

    def count(self, amount: int) -> None:
        """Count so much as done, by this process."""
        self.store.add(DONE, amount)

    def done(self) -> int:
        """Return how much all processes have done."""
        return self.store.add(DONE, 0)

    def finish(self, result: Any) -> None:
        """Hand a value of JSON to the first process: this process has done all that it took, and nothing is left."""
        self.store.set(f"{RESULT}/{self.rank}", json.dumps(result))

    def results(self, waiting: Callable[[], None]) -> list[Any]:
        """Return what all processes have handed over, in the order of the ranks, once all of them have.

        :param waiting: called again and again until then.
        """
        keys = [f"{RESULT}/{rank}" for rank in range(self.processes)]
        self._wait(keys, waiting)
        return [json.loads(self.store.get(key)) for key in keys]

    def _offered(self) -> list[Any]:
        self._wait([PLAN], lambda: None)
        return json.loads(zlib.decompress(base64.b64decode(self.store.get(PLAN))))

    def _wait(self, keys: list[str], waiting: Callable[[], None]) -> None:
        # the store's own wait cannot be interrupted by a signal
        while not self.store.check(keys):
            waiting()
            time.sleep(POLL_SECONDS)


def join_queue() -> WorkQueue:
    """Return the queue of this process, which :mod:`openr1.distributed.launcher` has started.

    The process is on its own otherwise: what would make an engine in it one of a group is removed from the environment.
    """
    store, rank, processes = next(distributed.rendezvous("env://"))
    for name in GROUP:
        os.environ.pop(name, None)
    return WorkQueue(store, rank, processes)
