"""A power law of one variable, with or without an irreducible loss (arXiv 2001.08361; arXiv 2010.14701)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.base import Cost, Law, Parameter, Solution, best_runs
from analysis.laws.powers import FLOOR_POINTS, SumOfPowers, evaluate, no_floor
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class PowerLaw(Law):
    """Loss against compute, on the best run of each budget; or against N or D, on every run.

    Fewer than four points do not tell an irreducible loss from a small exponent: E is then 0, and a warning says so.
    """

    name: ClassVar[str] = "power_law"
    title: ClassVar[str] = "Power law"
    source: ClassVar[str] = "Henighan et al. 2020, arXiv 2010.14701, eq. 1.1"
    objective: ClassVar[str] = "sum of Huber losses of log loss"

    x: str = "C"  # C, N or D
    offset: bool = True  # with the irreducible loss E
    delta: float = 1e-3

    def __post_init__(self) -> None:
        if self.x not in ("C", "N", "D"):
            raise ConfigError(f"law.x: {self.x!r} is not one of C, N, D")

    @property
    def formula(self) -> str:
        return f"L({self.x}) = {'E + ' if self.offset else ''}A {self.x}^-alpha"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.x, "loss")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        floor = (Parameter("E", "irreducible loss, nats a token", lower=1e-3),) if self.offset else ()
        return (
            *floor,
            Parameter("A", f"coefficient, in nats a token times {self.x}^alpha", coefficient=True),
            Parameter("alpha", "exponent", lower=1e-2, upper=3),
        )

    def predicted(self, frame: pd.DataFrame) -> pd.DataFrame:
        return best_runs(frame) if self.x == "C" else frame

    def strata(self, frame: pd.DataFrame) -> np.ndarray | None:
        return frame["budget"].to_numpy() if self.x == "C" else None

    def estimate(self, frame: pd.DataFrame) -> Solution:
        points = self.predicted(frame)
        what = "budgets that improve on the one before" if self.x == "C" else "runs"
        if len(points) < 3:
            raise ConfigError(f"law: power_law needs at least 3 {what}; there are {len(points)}")
        offset = self.offset and len(points) >= FLOOR_POINTS
        found = self._regression(points, offset).search()
        warnings = [] if offset == self.offset else [no_floor(len(points))]
        return Solution(self._params(found.params), found.value, found.basins, found.agreeing, warnings=warnings)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        offset = bool(self.offset and params[0, 0] > 0)
        if self.x == "C":
            regression, weights = self._frontiers(frame, weights, offset)
        else:
            regression = self._regression(frame, offset)
        start = regression.fitted(params[:, -regression.size :])
        theta, _ = regression.fit(np.repeat(start, len(weights), axis=0), weights)
        theta[np.sum(weights > 0, axis=1) < regression.size] = np.nan
        return self._params(regression.natural(theta))

    def _params(self, found: np.ndarray) -> np.ndarray:
        return np.insert(found, 0, 0.0, axis=1) if found.shape[1] < len(self.parameters) else found

    def _frontiers(self, frame: pd.DataFrame, weights: np.ndarray, offset: bool) -> tuple[SumOfPowers, np.ndarray]:
        """The best drawn run of each budget: losses (m, budgets), and 0 for a budget that improves on no smaller one."""
        budgets, index = np.unique(frame["budget"].to_numpy(), return_inverse=True)
        drawn = np.where(weights > 0, frame["loss"].to_numpy(), np.inf)
        flops = frame["C"].to_numpy()
        best = np.stack([np.where(index == i, drawn, np.inf).argmin(axis=1) for i in range(len(budgets))], axis=1)
        loss = np.take_along_axis(drawn, best, axis=1)
        below = np.minimum.accumulate(np.pad(loss, ((0, 0), (1, 0)), constant_values=np.inf), axis=1)[:, :-1]
        return self._power(np.log(flops[best])[None], np.log(loss), offset), (loss < below).astype(float)

    def _regression(self, points: pd.DataFrame, offset: bool) -> SumOfPowers:
        return self._power(np.log(points[[self.x]].to_numpy().T), np.log(points["loss"].to_numpy()), offset)

    def _power(self, log_x: np.ndarray, log_loss: np.ndarray, offset: bool) -> SumOfPowers:
        return SumOfPowers(log_x, log_loss, offset, self.delta)

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return evaluate(params, np.log(frame[[self.x]].to_numpy().T), self.offset)

    def frontier(self, params: np.ndarray, flops: np.ndarray, cost: Cost) -> dict[str, np.ndarray]:
        return {"loss": evaluate(params, np.log(flops)[None], self.offset)} if self.x == "C" else {}

    def condition(self, params: np.ndarray, frame: pd.DataFrame) -> float:
        regression = self._regression(self.predicted(frame), bool(self.offset and params[0, 0] > 0))
        return regression.condition(params[:, -regression.size :])
