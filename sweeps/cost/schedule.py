"""When the runs of a study end: each begins on the first worker that is free, in the order given, and a round when all runs of
that before it have ended."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence

Part = tuple[Hashable, float]  # what is made, and the seconds that it takes
Run = Sequence[Part]


def schedule(rounds: Sequence[Sequence[Run]], workers: int, start: float) -> float:
    """Seconds until the last run ends.

    :param rounds: the runs of each: their parts, in order. What two runs share is made once: the second waits for it.
    :param workers: processes side by side; each takes ``start`` seconds before its first run, and stays for the next round.
    """
    seconds = [_round(runs, workers) for runs in rounds]
    return start + sum(seconds) if any(rounds) else 0.0


def _round(runs: Sequence[Run], workers: int) -> float:
    free = [0.0] * min(workers, len(runs))
    ends: dict[Hashable, float] = {}
    for parts in runs:
        time = heapq.heappop(free)
        for name, seconds in parts:
            time = max(time, ends[name]) if name in ends else time + seconds
            ends.setdefault(name, time)
        heapq.heappush(free, time)
    return max(free, default=0.0)
