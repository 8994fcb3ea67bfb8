"""``sweep=grid``: every combination of the values of its axes, in one round."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openr1.sweeps.config import SweepConfig
from openr1.sweeps.designs.base import Design, Finished, Overrides
from openr1.sweeps.designs.values import override
from openr1.system.errors import ConfigError


@dataclass
class GridSweep(SweepConfig):
    """Options of a grid."""

    kind: str = "grid"
    axes: Any = None  # key -> its values; the last key varies fastest. Null, so that `sweep.axes={…}` needs no plus

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.axes or {}, dict):
            raise ConfigError(f"sweep.axes: must name a list of values for each key, not {self.axes!r}")
        for key, values in (self.axes or {}).items():
            if not isinstance(values, list) or not values:
                raise ConfigError(f"sweep.axes.{key}: must be a list of values, not {values!r}")


class Grid(Design[GridSweep]):
    """One round of all combinations."""

    def next(self, finished: Sequence[Finished]) -> list[Overrides]:
        if finished:
            return []
        axes = [[override(key, value) for value in values] for key, values in (self.sweep.axes or {}).items()]
        return list(itertools.product(*axes))
