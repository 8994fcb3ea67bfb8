"""Sharing of problems and answers among the ranks of a run.

All ranks draw the same problems. Each answers and scores a share of them, so that a group stays on one rank, and then all ranks
know all groups. From then on they decide alike, without asking each other: which groups are replaced, what was spent, and
when the run ends. The random numbers of an answer belong to its problem and its place in the group, so the answers are those of
a run on one process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar

from openr1.distributed.collectives import gather, rank, world_size

T = TypeVar("T")


def dealt(items: Sequence[T], place: int, places: int) -> list[T]:
    """Return the items that fall to one of several places when they are dealt in turn.

    >>> [dealt("abcde", place, 2) for place in range(2)]
    [['a', 'c', 'e'], ['b', 'd']]
    """
    return list(items[place::places])


def collected(shares: Sequence[Sequence[T]]) -> list[T]:
    """Return all items in their order, from the shares of all places: the inverse of :func:`dealt`.

    >>> collected([["a", "c", "e"], ["b", "d"]])
    ['a', 'b', 'c', 'd', 'e']
    """
    items: list[Any] = [None] * sum(map(len, shares))
    for place, share in enumerate(shares):
        items[place :: len(shares)] = share
    return items


def own_share(items: Sequence[T]) -> list[T]:
    """Return the items that this rank works on; all of them on one process."""
    return dealt(items, rank(), world_size())


def gather_shares(own: Sequence[T]) -> list[T]:
    """Return what all ranks have made of their shares, in the order of the items, on each rank."""
    return collected(gather(list(own)))


def sum_over_ranks(amount: float) -> float:
    """Return the sum of an amount over all ranks."""
    return math.fsum(gather(amount))


def own_block(items: Sequence[T]) -> Sequence[T]:
    """Return the consecutive items that TRL takes from this rank, which has as many as every other one."""
    size = len(items) // world_size()
    return items[rank() * size : (rank() + 1) * size]


def workers_of_rank(workers: int | None) -> int | None:
    """Return how many processes may score the answers of each rank: those of ``reward.workers``, or its part of the cores."""
    ranks = int(os.environ.get("WORLD_SIZE", 1))  # the process group does not exist yet
    return workers if workers or ranks == 1 else max(1, len(os.sched_getaffinity(0)) // ranks)


def passes_of_rank(order: Sequence[int], passes: int, place: int, places: int) -> list[list[int]]:
    """Return the answers of each forward pass of one rank, for all updates from one rollout.

    The answers of an update are those of one process: consecutive ones of ``order``.

    :param order: all answers of a rollout, as they are shuffled.
    :param passes: forward passes of a rank, of all updates together.
    :param places: number of ranks.

    >>> [passes_of_rank([5, 3, 1, 4, 2, 0, 7, 6], 2, place, 2) for place in range(2)]
    [[[5, 3], [2, 0]], [[1, 4], [7, 6]]]
    """
    size = len(order) // (passes * places)
    starts = [(number * places + place) * size for number in range(passes)]
    return [list(order[start : start + size]) for start in starts]
