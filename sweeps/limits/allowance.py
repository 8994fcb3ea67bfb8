"""Allowances: how much runs may take, as the options ``sweep.allowance`` and ``sweep.ask_above`` give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Le

from openr1.options.ranges import Flops, Positive, Unit
from openr1.sweeps.limits.amount import Amount
from openr1.system.errors import ConfigError


@dataclass
class Allowance:
    """A limit on each kind of amount; null is without limit."""

    flops: Flops | None = None
    gpu_hours: Annotated[float, Gt(0), Le(1e9), Unit("hours")] | None = None
    money: Positive | None = None  # in the currency of compute.price_per_hour

    @property
    def is_set(self) -> bool:
        """True if anything is limited."""
        return any(limit is not None for limit in vars(self).values())

    @property
    def limits_time(self) -> bool:
        """True if hours or money are limited, which can be estimated only where the time of a run is known."""
        return self.gpu_hours is not None or self.money is not None

    def excess(self, amount: Amount) -> str | None:
        """Return the first limit that an amount exceeds, such as "30 flops of 25"; None where it is within all."""
        for name, limit in vars(self).items():
            value = getattr(amount, name)
            if limit is not None and value > limit:
                return f"{value:.3g} {name.replace('_', ' ')} of {limit:.3g}"
        return None


def require_confirmation(amount: Amount, ask_above: Allowance, confirmed: bool) -> None:
    """Refuse an amount above ``sweep.ask_above``, unless it is confirmed.

    :param amount: of what is to start, and was started by the same command.
    :raises ConfigError: in a line that says the price and the limit.
    """
    excess = None if confirmed else ask_above.excess(amount)
    if excess:
        raise ConfigError(f"sweep.confirm: this takes {excess} that sweep.ask_above allows; start it with sweep.confirm=true")
