"""Sigmoid of reinforcement learning (arXiv 2510.13786, ScaleRL)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.laws.base import Parameter, Solution
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class RlSigmoid(CurveLaw):
    """Pass rate against the compute of reinforcement learning, by default fitted by squared residuals.

    C may have any unit, such as GPU-hours. The pass rate is half-way from R0 to A at ``C_mid``; beyond it, the remaining gain
    falls as ``C^-B``. A is at most 1: a larger estimate is replaced by 1. A point at C = 0 measures R0.
    """

    name: ClassVar[str] = "rl_sigmoid"
    title: ClassVar[str] = "Sigmoid of reinforcement learning"
    source: ClassVar[str] = "Khatri et al. 2025, arXiv 2510.13786, eq. 1"
    formula: ClassVar[str] = "R(C) = R0 + (A - R0)/(1 + (C_mid/C)^B)"
    predictors: ClassVar[tuple[str, ...]] = ("C",)
    response: ClassVar[str] = "pass_at_1"
    zero_compute: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("R0", "pass rate before training", upper=1, linear=True),
        Parameter("A", "pass rate in the limit of infinite training", upper=1, linear=True),
        Parameter("C_mid", "compute at half of the gain, in the unit of C", coefficient=True, starts=(0.02, 50)),
        Parameter("B", "exponent of the gain (efficiency of compute)", lower=1e-2, upper=20, starts=(0.2, 8)),
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "mse"
    R0: Annotated[float, Interval(ge=0, lt=1)] | None = None  # pass rate before training if it was measured; null to fit it
    R0_column: str | None = None  # column of the pass rate before training, one value in the rows of a fit (or of a group)
    # leave out the noisy first part: runs below this share of the largest compute
    drop: Annotated[float, Interval(ge=0, lt=1)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.R0 is not None and self.R0_column is not None:
            raise ConfigError("law.R0_column: give R0 or a column of it, not both")

    def curve(self, x: Inputs, R0, A, C_mid, B):
        with np.errstate(divide="ignore"):  # at C = 0 nothing is gained
            return R0 + (A - R0) / (1 + (C_mid / x.C) ** B)

    def slopes(self, x: Inputs, R0, A, C_mid, B):
        trained = x.C > 0
        log_ratio = np.log(C_mid / np.where(trained, x.C, 1.0))
        gained = np.where(trained, 1 / (1 + np.exp(B * log_ratio)), 0.0)
        steep = (A - R0) * gained * (1 - gained)
        return R0 + (A - R0) * gained, [1 - gained, gained, -steep * B / C_mid, -steep * log_ratio]

    def rescaled(self, params, scale):
        return {**params, "C_mid": params["C_mid"] / scale["C"]}

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        if self.R0_column is not None:
            return {"R0": self._measured_start(frame)}
        return {} if self.R0 is None else {"R0": self.R0}

    def _measured_start(self, frame: pd.DataFrame) -> float:
        """Return the pass rate before training that the rows of a fit share."""
        import pandas as pd

        if self.R0_column not in frame:
            raise ConfigError(f"law.R0_column: there is no column {self.R0_column!r}")
        values = pd.to_numeric(frame[self.R0_column], errors="coerce").unique()
        if len(values) != 1 or not 0 <= values[0] < 1:
            shown = ", ".join(f"{value:.4g}" for value in values[:3])
            raise ConfigError(
                f"law.R0_column: {self.R0_column} must be one rate from 0 to below 1 in the rows of a fit; it is {shown}."
                " Fit models of several rates apart: by=COLUMN"
            )
        return float(values[0])

    def _late(self, frame: pd.DataFrame) -> np.ndarray:
        """Return a mask (n,) of the runs after the first part, see ``drop``."""
        compute = frame["C"].to_numpy(dtype=float)
        return compute >= self.drop * compute.max(initial=0)

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Select the runs after the first part, see ``drop``."""
        return frame[self._late(frame)]

    def points(self, frame: pd.DataFrame) -> Points:
        points = super().points(self.fitted_rows(frame))
        compute = points.x.C * points.scale["C"]
        if (compute > 0).all():
            return points
        scale = float(np.exp(np.log(compute[compute > 0]).mean()))  # of the points that are trained
        return replace(points, x=Inputs(C=compute / scale), scale={"C": scale})

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().residuals(params, self.fitted_rows(frame))

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        compute, rate = frame["C"].to_numpy(dtype=float), self.observed(frame)
        if compute.min() < 0 or compute.max() <= 0:
            raise ConfigError(f"runs.columns.C: must be above 0; the smallest is {compute.min():g}")
        if not ((rate >= 0) & (rate <= 1)).all():
            raise ConfigError(f"runs.columns.pass_at_1: must be from 0 to 1; it ranges from {rate.min():g} to {rate.max():g}")
        if self.loss.logs and not (rate > 0).all():
            raise ConfigError(f"law.objective: {self.objective} takes logarithms; pass rates of 0 need mse")

    def estimate(self, frame: pd.DataFrame) -> Solution:
        self.check_runs(self.fitted_rows(frame))
        points, fixed = self.points(frame), self.known(frame)
        solution = self.solve(points, fixed)
        if solution.params[0, 1] > 1:
            solution = self.solve(points, {**fixed, "A": 1.0})
            solution.warnings.append(
                RankedWarning(
                    "A is set to its maximum of 1, since the pass rate does not level off within the runs", Severity.MISLEADING
                )
            )
        if solution.params[0, 1] <= solution.params[0, 0]:
            raise ConfigError("law: rl_sigmoid needs a pass rate that grows with compute; over these runs it does not")
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        points, fixed, weights = self.points(frame), self.known(frame), weights[:, self._late(frame)]
        draws, _ = self.refine(points, fixed, params, weights)
        beyond = draws[:, 1] > 1
        if beyond.any():
            draws[beyond], _ = self.refine(points, {**fixed, "A": 1.0}, params, weights[beyond])
        draws[draws[:, 1] <= draws[:, 0]] = np.nan
        return draws
