"""What the processes of one run do together. A run on one process is the case of one rank: nothing is sent."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


def together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    return distributed.get_rank() if together() else 0


def world() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if together() else 1


def gathered(value: Any) -> list[Any]:
    """What each rank has, in the order of the ranks, on all of them."""
    found = [value] * world()
    if together():
        distributed.all_gather_object(found, value)
    return found


def agreed(value: Any) -> Any:
    """What the first rank has."""
    return gathered(value)[0]


def add_up(tensor: torch.Tensor) -> None:
    """Over all ranks, in place."""
    if together():
        distributed.all_reduce(tensor)


def wait() -> None:
    """For all ranks to come here."""
    if together():
        distributed.barrier()
