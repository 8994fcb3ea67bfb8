"""The best time scale of AdamW, and so the best weight decay, as a power law of tokens per parameter (arXiv 2505.13738)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.laws.allocation import weighted_line
from openr1.analysis.laws.base import Law, Parameter, Solution
from openr1.analysis.laws.hyperparameter import Cells, exclusion_warnings
from openr1.analysis.numerics.optimise import Objective
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SAME = 0.1  # range of log D/N below which it has no exponent


@dataclass
class WeightDecay(Law):
    """The time scale ``tau = batch/(lr weight_decay D)`` of lowest loss as a power of D/N.

    AdamW averages its updates over the last ``1/(lr weight_decay)`` steps; tau is this number as a share of all steps of a run.
    The weight decay of a run follows as ``batch/(lr tau D)``. As in
    :class:`openr1.analysis.laws.hyperparameter.Hyperparameter`, a cell is the runs of one N and one D, its optimum is the
    minimum of a parabola of loss in log tau, or of a quadratic surface in log tau and log batch size for three or more batch
    sizes, and a cell without an inner optimum is left out. Runs of a cell may differ in their weight decay or in their learning
    rate. Fitted by least squares of log tau over the cells.
    """

    name: ClassVar[str] = "weight_decay"
    title: ClassVar[str] = "Optimal weight decay"
    source: ClassVar[str] = "Bergsma et al. 2025 (Power Lines), arXiv 2505.13738"
    formula: ClassVar[str] = "tau*(N, D) = tau_coefficient (D/N)^tau_exponent, tau = batch/(lr weight_decay D)"
    response: ClassVar[str] = "tau"
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "batch", "lr", "weight_decay", "loss")
    targets: ClassVar[dict[str, str]] = {"tau": "time scale"}
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("tau_coefficient", "best time scale at one token per parameter", coefficient=True),
        Parameter("tau_exponent", "exponent of the best time scale in D/N", lower=-3, upper=3, positive=False),
    )

    nearest: Annotated[int, Interval(ge=3, le=10**6)] = 5  # time scales, and batch sizes, that a cell is fitted to

    @property
    def loss(self) -> Objective:
        return Objective("mse", None)

    def estimate(self, frame: pd.DataFrame) -> Solution:
        cells = self._cells(frame)
        left_out = exclusion_warnings(cells)
        if not cells.determined.any():
            raise ConfigError(f"law: weight_decay needs a cell (one N and one D) with an inner optimum; {'; '.join(left_out)}")
        params, squares = self._power(cells, np.ones((1, len(frame))))
        same = RankedWarning("D/N is the same in all cells, so that its exponent is set to 0", Severity.MISLEADING)
        warnings = [*left_out, same] if params[0, 1] == 0 else left_out
        return Solution(params, squares, tables={"cells": cells.table}, warnings=warnings)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self._power(self._cells(frame), weights)[0]

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Predict the best time scales (m, n) at the N and D of each row."""
        return self.optimum(params, (frame["D"] / frame["N"]).to_numpy(dtype=float))

    def optimum(self, params: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        """Predict the best time scales (m, k) at tokens per parameter (k,)."""
        coefficient, exponent = (column[:, None] for column in params.T)
        return coefficient * ratio**exponent

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a row per cell with an optimum: ``N``, ``D``, and ``tau``, ``batch`` and ``loss`` there."""
        import pandas as pd

        cells = self._cells(frame)
        return pd.DataFrame(cells.table)[["N", "D", "tau", "batch", "loss"]][cells.determined].reset_index(drop=True)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        return self._cells(frame).strata()

    def _cells(self, frame: pd.DataFrame) -> Cells:
        tau = frame["batch"] / (frame["lr"] * frame["weight_decay"] * frame["D"])
        return Cells(frame.assign(tau=tau), self)

    def _power(self, cells: Cells, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit the power law to the optima for each row of weights (m, n); return (m, 2), and the sums of squares (m,)."""
        ratio = np.log(cells.d / cells.n)[cells.determined]
        log_tau = cells.optima(weights)[:, :, 0]
        there = np.isfinite(log_tau)
        if np.ptp(ratio) < SAME:
            with np.errstate(all="ignore"):
                mean = np.nansum(log_tau, axis=1) / there.sum(axis=1)
            intercept, slope = mean, np.where(np.isnan(mean), np.nan, 0.0)
        else:
            intercept, slope = weighted_line(ratio, log_tau, there)
        residuals = log_tau - intercept[:, None] - slope[:, None] * ratio
        params = np.column_stack([np.exp(intercept), slope])
        return np.where(np.isfinite(params).all(axis=1, keepdims=True), params, np.nan), np.nansum(residuals**2, axis=1)
