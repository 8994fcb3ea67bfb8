"""Amounts that runs take or have taken: FLOPs, hours of GPUs, money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openr1.distributed.options import ComputeConfig


@dataclass(frozen=True)
class Amount:
    """FLOPs, time and money of some runs.

    :ivar gpu_hours: of all devices together; 0 on processors.
    :ivar money: in the currency of ``compute.price_per_hour``; 0 without a price.
    """

    flops: float = 0.0
    gpu_hours: float = 0.0
    money: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.flops + other.flops, self.gpu_hours + other.gpu_hours, self.money + other.money)

    def scaled(self, factor: float) -> Amount:
        """Return this amount times a factor."""
        return Amount(factor * self.flops, factor * self.gpu_hours, factor * self.money)


def total(amounts: Iterable[Amount]) -> Amount:
    """Return the sum of amounts."""
    return sum(amounts, Amount())


def run_amount(flops: float, seconds: float, compute: ComputeConfig) -> Amount:
    """Return what a run takes that uses all its devices for ``seconds``."""
    hours = seconds / 3600 * compute.processes
    return Amount(flops, hours if compute.device == "cuda" else 0.0, hours * (compute.price_per_hour or 0.0))


def measured_amount(metrics: Mapping[str, float], compute: ComputeConfig) -> Amount:
    """Return what a run has taken by its metrics (names of :mod:`openr1.tracking.mlflow`); a missing one counts as 0."""
    return run_amount(metrics.get("flops_new", metrics.get("flops", 0.0)), metrics.get("wall_seconds", 0.0), compute)
