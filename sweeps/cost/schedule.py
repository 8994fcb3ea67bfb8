"""A schedule of the runs of a study: each begins on the first process that is free, and a round after the round before it."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence

Part = tuple[Hashable, float]  # an artifact, and the seconds that it takes
Parts = Sequence[Part]  # of one run, in order


def schedule(rounds: Sequence[Sequence[Parts]], processes: int, start: float) -> float:
    """Return the seconds until the last run ends.

    :param rounds: the runs of each round, as their parts. A part that two runs share is made once: the second run waits for it.
    :param processes: number of processes; each takes ``start`` seconds before its first run, and stays for the next round.
    """
    seconds = [_round_seconds(runs, processes) for runs in rounds]
    return start + sum(seconds) if any(rounds) else 0.0


def _round_seconds(runs: Sequence[Parts], processes: int) -> float:
    free = [0.0] * min(processes, len(runs))
    ends: dict[Hashable, float] = {}
    for parts in runs:
        time = heapq.heappop(free)
        for name, seconds in parts:
            time = max(time, ends[name]) if name in ends else time + seconds
            ends.setdefault(name, time)
        heapq.heappush(free, time)
    return max(free, default=0.0)
