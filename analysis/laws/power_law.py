"""A power law of one variable, with or without an irreducible loss (arXiv 2001.08361; arXiv 2010.14701)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter, Solution, TrainingFlops, best_runs
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

FLOOR_POINTS = 4  # least number of points for an irreducible loss


@dataclass
class PowerLaw(CurveLaw):
    """Loss against compute, on the best run of each budget that improves on smaller ones; or against N or D, on every run.

    Fewer than four points cannot tell an irreducible loss from a small exponent: E is then 0, with a warning.
    """

    name: ClassVar[str] = "power_law"
    title: ClassVar[str] = "Power law"
    source: ClassVar[str] = "Kaplan et al. 2020, arXiv 2001.08361; with E: Henighan et al. 2020, arXiv 2010.14701, eq. 1.1"

    x: Annotated[str, OneOf(("C", "N", "D"))] = "C"  # C, N or D
    offset: bool = True  # with the irreducible loss E

    @property
    def formula(self) -> str:
        return f"L({self.x}) = {'E + ' if self.offset else ''}A {self.x}^-alpha"

    @property
    def predictors(self) -> tuple[str, ...]:
        return (self.x,)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        floor = (Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),) if self.offset else ()
        return (
            *floor,
            Parameter("A", f"coefficient, in nats per token times {self.x}^alpha", coefficient=True, linear=True),
            Parameter("alpha", "exponent", lower=1e-2, upper=3, starts=(0.01, 2)),
        )

    @property
    def best_runs_only(self) -> bool:
        return self.x == "C"

    def curve(self, x: Inputs, *params):
        *floor, a, alpha = params
        return sum(floor) + a * getattr(x, self.x) ** -alpha

    def slopes(self, x: Inputs, *params):
        *floor, a, alpha = params
        values = getattr(x, self.x)
        by_x = values**-alpha
        term = a * by_x
        return sum(floor) + term, [*(np.ones_like(by_x) for _ in floor), by_x, -term * np.log(values)]

    def rescaled(self, params, scale):
        return {**params, "A": params["A"] * scale[self.x] ** -params["alpha"]}

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        return self.floor(self.fitted_rows(frame)[self.x].nunique())

    def floor(self, points: int) -> dict[str, float]:
        """Return an E of 0 if the law has one and the number of different points is too small to fit it."""
        return {"E": 0.0} if self.offset and points < FLOOR_POINTS else {}

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        return best_runs(frame) if self.x == "C" else frame

    def strata(self, frame: pd.DataFrame) -> np.ndarray | None:
        return frame["budget"].to_numpy() if self.x == "C" else None

    def points(self, frame: pd.DataFrame) -> Points:
        return super().points(self.fitted_rows(frame))

    def check_runs(self, frame: pd.DataFrame) -> None:
        points = frame[self.x].nunique()
        if points < 3:
            what = "budgets that improve on the one before" if self.x == "C" else f"values of {self.x}"
            raise ConfigError(f"law: power_law needs at least 3 {what}; there are {points}")

    def estimate(self, frame: pd.DataFrame) -> Solution:
        points = self.fitted_rows(frame)
        solution = super().estimate(points)
        if self.fixed(points):
            solution.warnings.append(floor_warning(points[self.x].nunique()))
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if self.x != "C":
            return super().resample(frame, params, weights)
        points, improves = self._frontiers(frame, weights)
        return self.refine(points, self.known(frame), params, improves)[0]

    def _frontiers(self, frame: pd.DataFrame, weights: np.ndarray) -> tuple[Points, np.ndarray]:
        """Return the best drawn run of each budget, and weights (m, budgets): 0 for a budget that improves on no smaller
        one.
        """
        runs = super().points(frame)
        budgets, index = np.unique(frame["budget"].to_numpy(), return_inverse=True)
        drawn = np.where(weights > 0, runs.y, np.inf)
        best = np.stack([np.where(index == i, drawn, np.inf).argmin(axis=1) for i in range(len(budgets))], axis=1)
        loss = np.take_along_axis(drawn, best, axis=1)
        below = np.minimum.accumulate(np.pad(loss, ((0, 0), (1, 0)), constant_values=np.inf), axis=1)[:, :-1]
        # a budget without a drawn run has no loss and no weight
        points = Points(Inputs(C=runs.x.C[best]), runs.y[best], runs.weights[best], runs.scale)
        return points, (loss < below).astype(float)

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().residuals(params, self.fitted_rows(frame))

    def frontier(self, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
        return {"loss": self.losses(params, flops)} if self.x == "C" else {}

    # without a frame, for laws of budgets, which fit this law to the losses of their optima

    def points_of(self, x: np.ndarray, loss: np.ndarray) -> Points:
        """Return points of arrays, (n,) or (m, n) each, for ``solve`` and ``refine``."""
        scale = float(np.exp(np.log(x).mean()))
        return Points(Inputs(**{self.x: x / scale}), loss, np.ones(x.shape[-1]), {self.x: scale})

    def losses(self, params: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Predict the losses (m, n) at x (n,)."""
        with np.errstate(all="ignore"):  # a resample that does not determine an exponent has no coefficient
            return self.curve(Inputs(**{self.x: x}), *(column[:, None] for column in params.T))


def floor_warning(points: int) -> RankedWarning:
    """Return the warning for a law that is fitted without its irreducible loss."""
    return RankedWarning(f"{points} points are too few to fit an irreducible loss: E is set to 0", Severity.MISLEADING)
