"""What every kind of sweep has: ``sweep=``. A kind adds its own options in a subclass, beside what it does with them."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from openr1.errors import ConfigError


@dataclass
class Allowance:
    """An amount of each; null is without limit."""

    flops: float | None = None
    gpu_hours: float | None = None
    money: float | None = None  # in the currency of compute.price_per_hour

    def in_time(self) -> bool:
        """Whether it says anything of hours or money, which are not known without the time that runs take."""
        return self.gpu_hours is not None or self.money is not None

    def check(self, key: str) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= 0:
                raise ConfigError(f"{key}.{name}: must be above 0; null is without limit")


@dataclass
class SweepConfig:
    """A study of many runs."""

    kind: str = MISSING
    name: str = MISSING  # of the study
    confirm: bool = False  # start a study whose price is above sweep.ask_above
    ask_above: Allowance = field(default_factory=lambda: Allowance(gpu_hours=8.0))  # what may start without sweep.confirm=true
    allowance: Allowance = field(default_factory=Allowance)  # of the whole study; no run starts beyond it
    calibrate: bool = True  # where no earlier run says how long a step takes, time a few before the start
    hardware: str | None = None  # whose earlier runs say how long runs take, as MLflow's tag has it; null for this machine

    def __post_init__(self) -> None:
        self.ask_above.check("sweep.ask_above")
        self.allowance.check("sweep.allowance")
