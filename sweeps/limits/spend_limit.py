"""The spend limit of a study: what has been spent and what is expected are together within ``sweep.allowance``."""

from __future__ import annotations

from collections.abc import Iterable

from openr1.sweeps.limits.allowance import Allowance
from openr1.sweeps.limits.amount import Amount, total


class SpendLimit:
    """Decides whether a study may start one more run. Designs and searches share it."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance

    @property
    def is_set(self) -> bool:
        return self.allowance.is_set

    def excess(self, spent: Amount, expected: Iterable[Amount]) -> str | None:
        """Return what the study would come to, such as "30 flops of 25"; None where that is within the allowance.

        :param spent: by the runs that have ended.
        :param expected: of each run under way, and of the next one.
        """
        return self.allowance.excess(total([spent, *expected]))
