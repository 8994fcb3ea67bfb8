"""When the runs of a study end: each begins on the first worker that is free, in the order given."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence

WORKER_SECONDS = 12.0  # for a fresh process to import torch, transformers and MLflow, before it was measured

Part = tuple[Hashable, float]  # what is made, and the seconds that it takes


def schedule(runs: Sequence[Sequence[Part]], workers: int, start: float = WORKER_SECONDS) -> float:
    """Seconds until the last run ends.

    :param runs: the parts of each, in order. What two runs share is made once: the second waits for it.
    :param workers: processes side by side; each takes ``start`` seconds before its first run.
    """
    free = [start] * min(workers, len(runs))
    ends: dict[Hashable, float] = {}
    for parts in runs:
        time = heapq.heappop(free)
        for name, seconds in parts:
            time = max(time, ends[name]) if name in ends else time + seconds
            ends.setdefault(name, time)
        heapq.heappush(free, time)
    return max(free, default=0.0)
