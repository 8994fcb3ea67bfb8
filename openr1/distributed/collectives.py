"""Collective operations of the processes of one run. A run on one process has one rank and sends nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed


def is_initialized() -> bool:
    """Return True if this process is one of a group."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """Return the number of this process within its group."""
    return distributed.get_rank() if is_initialized() else 0


def world_size() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if is_initialized() else 1


def gather(value: Any) -> list[Any]:
    """Return the values of all ranks, in the order of the ranks, on each of them."""
    values = [value] * world_size()
    if is_initialized():
        distributed.all_gather_object(values, value)
    return values


def broadcast_first(value: Any) -> Any:
    """Return the first rank's value on all ranks."""
    return gather(value)[0]


def all_reduce_sum(tensor: torch.Tensor) -> None:
    """Add up a tensor over all ranks, in place."""
    if is_initialized():
        distributed.all_reduce(tensor)


def barrier() -> None:
    """Wait until all ranks have come here."""
    if is_initialized():
        distributed.barrier()
