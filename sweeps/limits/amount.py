"""What runs have cost: FLOPs, hours of devices, money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

from openr1.distributed.options import ComputeConfig
from sweeps.config import Allowance


@dataclass(frozen=True)
class Amount:
    """
    :ivar gpu_hours: of all devices together; 0 on processors.
    :ivar money: in the currency of ``compute.price_per_hour``; 0 without a price.
    """

    flops: float = 0.0
    gpu_hours: float = 0.0
    money: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def scaled(self, by: float) -> Amount:
        return Amount(*(by * value for value in astuple(self)))

    def beyond(self, allowance: Allowance) -> str | None:
        """The first limit that this is beyond, in words; None where it is within all."""
        for name, most in vars(allowance).items():
            if most is not None and getattr(self, name) > most:
                return f"{getattr(self, name):.3g} {name.replace('_', ' ')} of {most:.3g}"
        return None


def of_run(flops: float, seconds: float, compute: ComputeConfig) -> Amount:
    """What a run costs that takes so long on all its devices."""
    hours = seconds / 3600 * compute.processes
    return Amount(flops, hours if compute.device == "cuda" else 0.0, hours * (compute.price_per_hour or 0.0))


def spent(metrics: Mapping[str, float], compute: ComputeConfig) -> Amount:
    """What a run has cost, by its figures under the names of :mod:`openr1.tracking.mlflow`; those that it lacks are 0."""
    return of_run(metrics.get("flops_new", metrics.get("flops", 0.0)), metrics.get("wall_seconds", 0.0), compute)


def total(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, Amount())
