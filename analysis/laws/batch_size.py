"""The critical batch size as a power law of data (arXiv 2505.13738; arXiv 1812.06162)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from openr1.analysis.laws.base import Parameter, Solution
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

NEWTON = 8  # steps from which log D_min is exact to rounding


@dataclass
class BatchSize(CurveLaw):
    """Loss against model size, tokens and batch size; a larger batch needs more tokens for the same loss.

    A run on D tokens in batches of ``batch`` tokens reaches the loss that ``D_min`` tokens reach in very small batches, where
    ``D = D_min (1 + batch/B_crit)`` (McCandlish et al. 2018, arXiv 1812.06162, with D = batch times steps), and the critical
    batch size is a power of data, ``B_crit = B_crit_coefficient D_min^B_crit_exponent``, for models of any size.

    The paper fits one power law of loss in D for each batch size, reads off the tokens of target losses, fits B_crit to each of
    these contours, and a power law to the results. Here all of it is one curve fitted to all runs at once, so that no target
    losses are chosen, and the errors of each step count in the intervals.

    The law is one of well-tuned runs: of those with the same N, D and batch size, the best counts. Too small a batch does not
    raise its loss; residuals that trend with the batch size tell of one.
    """

    name: ClassVar[str] = "batch_size"
    title: ClassVar[str] = "Critical batch size"
    source: ClassVar[str] = "Bergsma et al. 2025 (Power Lines), arXiv 2505.13738; McCandlish et al. 2018, arXiv 1812.06162"
    formula: ClassVar[str] = (
        "L(N, D, batch) = E + A N^-alpha + B D_min^-beta, D = D_min (1 + batch/B_crit),"
        " B_crit = B_crit_coefficient D_min^B_crit_exponent"
    )
    predictors: ClassVar[tuple[str, ...]] = ("N", "D", "batch")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("E", "irreducible loss, nats per token", lower=1e-3, linear=True),
        Parameter("A", "coefficient of the model term", coefficient=True, linear=True),
        Parameter("alpha", "exponent of the model term", lower=1e-2, upper=3, starts=(0.05, 1.5)),
        Parameter("B", "coefficient of the data term", coefficient=True, linear=True),
        Parameter("beta", "exponent of the data term", lower=1e-2, upper=3, starts=(0.05, 1.5)),
        Parameter("B_crit_coefficient", "critical batch size at one token", coefficient=True, starts=(0.01, 100)),
        Parameter("B_crit_exponent", "exponent of the critical batch size in tokens", lower=1e-2, upper=1, starts=(0.1, 0.9)),
    )

    def curve(self, x: Inputs, E, A, alpha, B, beta, B_crit_coefficient, B_crit_exponent):
        log_d = log_min_tokens(x.D, x.batch, B_crit_coefficient, B_crit_exponent)
        return E + A * x.N**-alpha + B * np.exp(-beta * log_d)

    def slopes(self, x: Inputs, E, A, alpha, B, beta, B_crit_coefficient, B_crit_exponent):
        log_d = log_min_tokens(x.D, x.batch, B_crit_coefficient, B_crit_exponent)
        lost = 1 - np.exp(log_d) / x.D  # share of the tokens that the batch size costs
        by_n, by_d = x.N**-alpha, np.exp(-beta * log_d)
        n_term, d_term = A * by_n, B * by_d
        by_log_b_crit = -beta * d_term * lost / (1 - lost * B_crit_exponent)  # D is the same, so that D_min changes
        slopes = [
            np.ones_like(n_term),
            by_n,
            -n_term * np.log(x.N),
            by_d,
            -d_term * log_d,
            by_log_b_crit / B_crit_coefficient,
            by_log_b_crit * log_d,
        ]
        return E + n_term + d_term, slopes

    def rescaled(self, params, scale):
        return {
            **params,
            "A": params["A"] * scale["N"] ** -params["alpha"],
            "B": params["B"] * scale["D"] ** -params["beta"],
            "B_crit_coefficient": params["B_crit_coefficient"] * scale["D"] ** params["B_crit_exponent"] / scale["batch"],
        }

    def critical(self, params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Return the critical batch sizes (m, k) at ``D_min`` (k,), in tokens."""
        coefficient, exponent = (column[:, None] for column in params.T[5:])
        return coefficient * tokens**exponent

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return no model term for models of one size, since E covers it, and no E for two sizes, which the term covers."""
        sizes = frame["N"].nunique()
        return {"A": 0.0, "alpha": 0.0} if sizes == 1 else {"E": 0.0} if sizes == 2 else {}

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the run of lowest loss of each N, D and batch size."""
        return frame[_is_best(frame)]

    def points(self, frame: pd.DataFrame) -> Points:
        points = super().points(frame)
        return Points(points.x, points.y, points.weights * _is_best(frame), points.scale)

    def check_runs(self, frame: pd.DataFrame) -> None:
        best = self.fitted_rows(frame)
        super().check_runs(best)
        sizes = best["batch"].nunique()
        if sizes < 3 or best.groupby("batch")["D"].nunique().max() < 2:
            raise ConfigError(
                f"law: batch_size needs at least 3 batch sizes, one of them with two numbers of tokens; there are {sizes}"
            )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        solution = super().estimate(frame)
        if "E" in self.fixed(frame):
            solution.warnings.append(
                RankedWarning(
                    "two model sizes determine no irreducible loss: E is set to 0, and the model term covers it",
                    Severity.MISLEADING,
                )
            )
        return solution

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().jacobian(params, self.fitted_rows(frame))

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        return super().residuals(params, self.fitted_rows(frame))


def _is_best(frame: pd.DataFrame) -> np.ndarray:
    """Return a mask (n,) of the first run of lowest loss of each N, D and batch size."""
    best = frame.groupby(["N", "D", "batch"])["loss"].idxmin()
    return frame.index.isin(best)


def log_min_tokens(tokens: np.ndarray, batch: np.ndarray, coefficient: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Solve ``D = D_min + (batch/coefficient) D_min^(1 - exponent)`` for log D_min, (m, n) for parameters (m, 1).

    The logarithm of the right side is convex in log D_min and rises, so that Newton's method converges from log D downwards.
    """
    log_ratio = np.log(batch) - np.log(coefficient)
    log_d = np.log(tokens)
    at = log_d + 0 * log_ratio
    for _ in range(NEWTON):
        small, large = at, log_ratio + (1 - exponent) * at
        lost = 1 / (1 + np.exp(small - large))
        value = np.logaddexp(small, large) - log_d
        at = at - value / (1 - lost * exponent)
    return at
