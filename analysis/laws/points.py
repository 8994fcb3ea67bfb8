"""The points that a curve is fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np


class Inputs(SimpleNamespace):
    """The predictors of a law by name, each (n,) for all problems of a batch or (m, n)."""

    def rows(self, rows: np.ndarray) -> Inputs:
        """Return the predictors of some problems of the batch."""
        return Inputs(**{name: value[rows] if value.ndim == 2 else value for name, value in vars(self).items()})


@dataclass(frozen=True)
class Points:
    """The points that a curve is fitted to, with predictors in units of ``scale``."""

    x: Inputs
    y: np.ndarray  # (n,) or (m, n)
    weights: np.ndarray  # (n,), of the points in the sum
    scale: dict[str, float]

    def sample(self, size: int) -> Points:
        """Return evenly spaced points in the order of the response, or all if there are no more than ``size``."""
        if len(self.weights) <= size or self.y.ndim > 1:
            return self
        rows = np.argsort(self.y, kind="stable")[np.linspace(0, len(self.weights) - 1, size).astype(int)]
        x = Inputs(**{name: values[rows] for name, values in vars(self.x).items()})
        return Points(x, self.y[rows], self.weights[rows], self.scale)

    def in_natural_units(self) -> Points:
        """Return the points with a scale of 1, so that every parameter is a coordinate by itself."""
        x = Inputs(**{name: values * self.scale[name] for name, values in vars(self.x).items()})
        return Points(x, self.y, self.weights, dict.fromkeys(self.scale, 1.0))
