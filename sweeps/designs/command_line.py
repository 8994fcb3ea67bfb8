"""``sweep=default``: the combinations that the command line gives, and no further runs."""

from __future__ import annotations

from collections.abc import Sequence

from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides


class CommandLine(Design[SweepConfig]):
    """One run, in one round: the combination of the command line that the design is made for."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        return [] if finished else [()]
