"""Power laws through optima at given compute: what approaches 1 and 2 of arXiv 2203.15556 share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.base import Cost, Law, Parameter, Solution
from analysis.laws.power_law import PowerLaw, no_floor
from analysis.numerics.optimise import Objective
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

LOSS_POINTS = 100  # of the optima that the law of the loss is fitted to, spread evenly: it has three parameters


@dataclass(frozen=True)
class Optima:
    """The best size, its tokens and its loss at n budgets, (m, n) each, NaN where there is none."""

    flops: np.ndarray  # (n,)
    log_n: np.ndarray
    log_d: np.ndarray
    loss: np.ndarray
    weights: np.ndarray  # (n,), of the budgets in the laws of N and D; their mean is 1

    @property
    def found(self) -> np.ndarray:
        return np.isfinite(self.loss)

    def lines(self) -> tuple[np.ndarray, ...]:
        """Intercept and slope of log N in log C, then of log D: (m,) each."""
        log_c, weights = np.log(self.flops), self.found * self.weights
        return (*weighted_line(log_c, self.log_n, weights), *weighted_line(log_c, self.log_d, weights))


@dataclass
class AllocationLaw(Law):
    """``N*``, ``D*`` and the loss at them as powers of compute. A law says how it finds these optima.

    N* and D* follow from least squares in logarithms. The loss follows ``E + A C^-gamma``, or ``A C^-gamma`` (E is 0) where
    there are fewer than four optima, by the Huber loss of log loss.
    """

    formula: ClassVar[str] = "N*(C) = N_coefficient C^N_exponent, D*(C) = D_coefficient C^D_exponent, L*(C) = E + A C^-gamma"
    allocates: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("N_coefficient", "optimal parameters at one FLOP", coefficient=True),
        Parameter("N_exponent", "exponent of the optimal parameters in C"),
        Parameter("D_coefficient", "optimal tokens at one FLOP", coefficient=True),
        Parameter("D_exponent", "exponent of the optimal tokens in C"),
        Parameter("E", "irreducible loss of the frontier, nats a token", lower=1e-3),
        Parameter("A", "coefficient of the frontier's loss", coefficient=True),
        Parameter("gamma", "exponent of the frontier's loss", lower=1e-2, upper=3),
    )

    frontier_delta: float = 1e-3  # of the Huber loss of log loss, for the law of the loss at the optima

    def __post_init__(self) -> None:
        if self.frontier_delta <= 0:
            raise ConfigError("law.frontier_delta: must be above 0")

    @property
    def loss(self) -> Objective:
        """Of log N* about its power law, in which budgets count as they do in the fit."""
        return Objective("log_mse", None)

    @property
    def _losses(self) -> PowerLaw:
        return PowerLaw(delta=self.frontier_delta)

    def laws(self, optima: Optima) -> Solution:
        """The laws through the optima of the runs themselves (m = 1), at least two."""
        law, lines = self._losses, optima.lines()
        count = int(optima.found.sum())
        fixed = law.floor(count)
        flops, loss = optima.flops[optima.found[0]], optima.loss[optima.found]
        some = slice(None, None, -(-count // LOSS_POINTS))
        frontier = law.solve(law.through(flops[some], loss[some]), fixed)
        residuals = optima.log_n[0] - lines[0] - lines[1] * np.log(optima.flops)
        squares = np.nansum(optima.weights * residuals**2)
        warnings = [no_floor(count)] if fixed else []
        params = self._params(lines, frontier.params)
        return Solution(params, np.array([squares]), frontier.basins, frontier.agreeing, warnings=warnings)

    def laws_again(self, optima: Optima, params: np.ndarray) -> np.ndarray:
        """Those (m, 7) through the optima of each resample, from the estimate (1, 7) on."""
        if not optima.found.any():
            return np.full((len(optima.loss), len(self.parameters)), np.nan)
        law = self._losses
        fixed = {"E": 0.0} if params[0, 4] == 0 else {}
        columns = np.flatnonzero(optima.found.any(axis=0))
        columns = columns[:: max(1, -(-len(columns) // LOSS_POINTS))]
        found, loss = optima.found[:, columns], optima.loss[:, columns]
        # an optimum that was not found has no weight: any loss may stand for it
        points = law.through(optima.flops[columns], np.where(found, loss, 1))
        frontiers, _ = law.follow(points, fixed, params[:, 4:], found.astype(float))
        return self._params(optima.lines(), frontiers)

    @staticmethod
    def _params(lines: tuple[np.ndarray, ...], frontier: np.ndarray) -> np.ndarray:
        log_n, n_exponent, log_d, d_exponent = lines
        params = np.column_stack([np.exp(log_n), n_exponent, np.exp(log_d), d_exponent, frontier])
        return np.where(np.isfinite(params).all(axis=1, keepdims=True), params, np.nan)

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """The loss of the frontier at each row's FLOPs, whatever its size."""
        return self._losses.losses(params[:, 4:], frame["C"].to_numpy(dtype=float))

    def frontier(self, params: np.ndarray, flops: np.ndarray, cost: Cost) -> dict[str, np.ndarray]:
        n_coefficient, n_exponent, d_coefficient, d_exponent = (column[:, None] for column in params.T[:4])
        return {
            "N": n_coefficient * flops**n_exponent,
            "D": d_coefficient * flops**d_exponent,
            "loss": self._losses.losses(params[:, 4:], flops),
        }


def weighted_line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercepts and slopes (m,) of the weighted least squares of y (m, n) in x (n,).

    :param weights: (m, n) or (n,), 0 where y is not to count; NaN comes of fewer than two points that do.
    """
    weights = np.broadcast_to(weights, y.shape)
    y = np.where(weights > 0, y, 0)
    total = weights.sum(axis=1)
    with np.errstate(all="ignore"):  # of no points
        x_mean, y_mean = (weights @ x) / total, np.sum(weights * y, axis=1) / total
        distance = x - x_mean[:, None]
        slope = np.sum(weights * distance * (y - y_mean[:, None]), axis=1) / np.sum(weights * distance**2, axis=1)
    slope = np.where(np.sum(weights > 0, axis=1) > 1, slope, np.nan)
    return y_mean - slope * x_mean, slope
