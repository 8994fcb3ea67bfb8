"""Power law of reinforcement learning at several model sizes (arXiv 2509.25300)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.numerics.optimise import OBJECTIVES
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SIZES = 3  # least number of model sizes, for the three numbers that depend on N


@dataclass
class RlPower(CurveLaw):
    """Error rate after reinforcement learning, ``L = 1 - pass_at_1``, against the compute or the data spent on it.

    Larger models learn faster, up to ``k_max``. The paper gives each size its own intercept E(N), which predicts nothing at
    other sizes. Here ``E(N) = (E0 + E1 log N)/(1 + N0/N)``, so that

        log L = (E0 + E1 log N - k_max log X)/(1 + N0/N).

    This is the smooth form of the authors' own code, ``L = (C0 N^r / X)^k(N)`` (``powlawmul``: E0 = k_max log C0, E1 = k_max
    r). Unlike an E(N) that is linear in log N, it remains the same law in any units of N and X. By default it is fitted by
    squared residuals of log L, in which the law is linear except for N0.
    """

    name: ClassVar[str] = "rl_power"
    title: ClassVar[str] = "Power law of reinforcement learning"
    source: ClassVar[str] = "Tan et al. 2025, arXiv 2509.25300"
    response: ClassVar[str] = "error"  # 1 - pass_at_1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("k_max", "learning efficiency (exponent) of an infinitely large model", lower=1e-3, upper=3),
        Parameter("N0", "parameters at half of that efficiency", coefficient=True),
        Parameter("E0", "intercept of log L of a large model", lower=-np.inf, coefficient=True, positive=False),
        Parameter("E1", "rise of that intercept with log N", lower=-3, upper=3, positive=False),
    )

    objective: Annotated[str, OneOf(OBJECTIVES)] = "log_mse"
    x: Annotated[str, OneOf(("C", "D"))] = "C"  # measure of training: C or D

    @property
    def formula(self) -> str:
        return f"log L = -k(N) log {self.x} + E(N), k(N) = k_max/(1 + N0/N), E(N) = (E0 + E1 log N)/(1 + N0/N)"

    @property
    def predictors(self) -> tuple[str, ...]:
        return ("N", self.x)

    @property
    def needs(self) -> tuple[str, ...]:
        return ("N", self.x, "pass_at_1")

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        return {"N": frame["N"].to_numpy(dtype=float), "X": frame[self.x].to_numpy(dtype=float)}

    def curve(self, x: Inputs, k_max, N0, E0, E1):
        return np.exp((E0 + E1 * np.log(x.N) - k_max * np.log(x.X)) / (1 + N0 / x.N))

    def slopes(self, x: Inputs, k_max, N0, E0, E1):
        share, log_n, log_x = x.N / (x.N + N0), np.log(x.N), np.log(x.X)
        log_error = share * (E0 + E1 * log_n - k_max * log_x)
        value = np.exp(log_error)
        by_e0 = value * share
        return value, [-by_e0 * log_x, -value * log_error * share / x.N, by_e0, by_e0 * log_n]

    def rescaled(self, params, scale):
        if all(factor == 1 for factor in scale.values()):  # a given E0 stays as it is, though the others may be unknown (NaN)
            return params
        e0 = params["E0"] + params["E1"] * np.log(scale["N"]) - params["k_max"] * np.log(scale["X"])
        return {**params, "N0": params["N0"] / scale["N"], "E0": e0}

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return a range of N0, each with the least squares of log L in the other parameters."""
        n0 = np.geomspace(1e-4, 1e4, 241)
        share = 1 / (1 + n0[:, None] / points.x.N)
        basis = np.stack([-np.log(points.x.X), np.ones_like(points.y), np.log(points.x.N)], axis=1)
        root = np.sqrt(points.weights)
        coefficients = np.linalg.pinv((share * root)[:, :, None] * basis) @ (np.log(points.y) * root)
        learning = coefficients[:, 0] > 0
        if not learning.any():
            raise ConfigError(f"law: rl_power needs an error that falls with {self.x}; over these runs it does not")
        k_max, e0, e1 = coefficients[learning].T
        return {"k_max": k_max, "N0": n0[learning], "E0": e0, "E1": e1}

    def observed(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the error rates ``1 - pass_at_1`` (n,)."""
        error = 1 - frame["pass_at_1"].to_numpy(dtype=float)
        if not ((error > 0) & (error <= 1)).all():
            raise ConfigError(
                "runs.columns.pass_at_1: rl_power takes the logarithm of 1 - pass_at_1, which must be from 0 to below 1;"
                f" it ranges from {1 - error.max():g} to {1 - error.min():g}"
            )
        return error

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the model sizes (n,), since k(N) needs all of them."""
        return frame["N"].to_numpy()

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Estimate the parameters of each resample; NaN for one of fewer than three model sizes."""
        sizes = np.unique(frame["N"].to_numpy(), return_inverse=True)[1]
        drawn = np.stack([(weights[:, sizes == size] > 0).any(axis=1) for size in range(sizes.max() + 1)])
        draws = super().resample(frame, params, weights)
        return np.where((drawn.sum(axis=0) >= SIZES)[:, None], draws, np.nan)

    def check_runs(self, frame: pd.DataFrame) -> None:
        super().check_runs(frame)
        sizes = frame["N"].nunique()
        if sizes < SIZES:
            raise ConfigError(f"law: rl_power needs runs of at least {SIZES} model sizes; there are {sizes}")
