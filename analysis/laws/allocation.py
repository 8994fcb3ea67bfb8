"""Power laws through optima at given compute, shared by approaches 1 and 2 of arXiv 2203.15556."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Le

from openr1.analysis.laws.base import Law, Parameter, Solution, TrainingFlops
from openr1.analysis.laws.points import Points
from openr1.analysis.laws.power_law import FLOOR_POINTS, PowerLaw, floor_warning
from openr1.analysis.numerics.optimise import Objective
from openr1.options.ranges import OneOf

if TYPE_CHECKING:
    import pandas as pd

FRONTIER_OBJECTIVES = ("huber", "log_mse")
LOSS_POINTS = 100  # optima, evenly spread, that the law of the loss is fitted to: it has only three parameters


@dataclass(frozen=True)
class Optima:
    """Best size, its tokens and its loss at n budgets, (m, n) each; NaN for a budget without an optimum."""

    flops: np.ndarray  # (n,)
    log_n: np.ndarray
    log_d: np.ndarray
    loss: np.ndarray
    weights: np.ndarray  # (n,), of the budgets in the fits of N and D, with mean 1
    drawn: np.ndarray  # (m, n) or (1, n), how often each budget is drawn

    @property
    def exists(self) -> np.ndarray:
        """A mask (m, n) of the budgets that have an optimum."""
        return np.isfinite(self.loss)

    def lines(self) -> tuple[np.ndarray, ...]:
        """Fit log N and log D by lines in log C; return both intercepts and slopes, (m,) each."""
        log_c, weights = np.log(self.flops), self.exists * self.drawn * self.weights
        return (*weighted_line(log_c, self.log_n, weights), *weighted_line(log_c, self.log_d, weights))


@dataclass
class AllocationLaw(Law):
    """``N*``, ``D*`` and the loss at them as powers of compute. Each subclass determines these optima in its own way.

    N* and D* are fitted by least squares of logarithms. The loss is fitted by ``E + A C^-gamma``, or ``A C^-gamma`` (E is 0)
    for fewer than four optima. Its objective is ``frontier_objective``; ``rolling`` chooses, of Huber's and squared residuals
    of log loss, those that better predict each budget from all smaller ones (rolling origin). On the 15 settings of arXiv
    2406.19146 the choice gains nothing over Huber's loss.
    """

    formula: ClassVar[str] = "N*(C) = N_coefficient C^N_exponent, D*(C) = D_coefficient C^D_exponent, L*(C) = E + A C^-gamma"
    allocates: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("N_coefficient", "optimal parameters at one FLOP", coefficient=True),
        Parameter("N_exponent", "exponent of the optimal parameters in C"),
        Parameter("D_coefficient", "optimal tokens at one FLOP", coefficient=True),
        Parameter("D_exponent", "exponent of the optimal tokens in C"),
        Parameter("E", "irreducible loss of the frontier, nats per token", lower=1e-3),
        Parameter("A", "coefficient of the frontier's loss", coefficient=True),
        Parameter("gamma", "exponent of the frontier's loss", lower=1e-2, upper=3),
    )

    # objective of the fit of L*: huber, log_mse, or rolling for the one that better predicts each budget from smaller ones
    frontier_objective: Annotated[str, OneOf((*FRONTIER_OBJECTIVES, "rolling"))] = "huber"
    frontier_delta: Annotated[float, Gt(0), Le(1e3)] = 1e-3  # delta of the Huber loss of log loss in the fit of L*

    @property
    def best_runs_only(self) -> bool:
        return True

    @property
    def loss(self) -> Objective:
        """The squared residuals of log N*, with the weights of the budgets."""
        return Objective("log_mse", None)

    @property
    def _losses(self) -> PowerLaw:
        """The power law of the loss at the optima, whatever its objective."""
        return PowerLaw()

    def _chosen_losses(self, optima: Optima) -> tuple[PowerLaw, Points, dict[str, float]]:
        """Return the power law of the loss at the optima of the runs themselves (m = 1), with the objective that is chosen,
        its points, evenly spread over the optima, and its fixed parameters.
        """
        count = int(optima.exists.sum())
        every = slice(None, None, -(-count // LOSS_POINTS))
        points = self._losses.points_of(optima.flops[optima.exists[0]][every], optima.loss[optima.exists][every])
        fixed = self._losses.floor(count)
        names = FRONTIER_OBJECTIVES if self.frontier_objective == "rolling" else (self.frontier_objective,)
        laws = [PowerLaw(objective=name, delta=self.frontier_delta) for name in names]
        errors = [_rolling_error(law, points, fixed) for law in laws] if len(laws) > 1 else [0.0]
        return laws[int(np.argmin(errors))], points, fixed

    def fit_optima(self, optima: Optima) -> Solution:
        """Fit the power laws to the optima of the runs themselves (m = 1), of which there are at least two."""
        lines = optima.lines()
        law, points, fixed = self._chosen_losses(optima)
        frontier = law.solve(points, fixed)
        residuals = optima.log_n[0] - lines[0] - lines[1] * np.log(optima.flops)
        squares = np.nansum(optima.weights * residuals**2)
        warnings = [floor_warning(int(optima.exists.sum()))] if fixed else []
        params = self._params(lines, frontier.params)
        solution = Solution(params, np.array([squares]), frontier.basins, frontier.agreeing, warnings=warnings)
        solution.tables["frontier"] = [{"objective": law.objective, "optima": len(points.y)}]
        return solution

    def refit_optima(self, optima: Optima, params: np.ndarray, whole: Optima) -> np.ndarray:
        """Fit the power laws to the optima of each resample, starting from the estimate (1, 7), with the objective that is
        chosen for the optima of the runs themselves, ``whole``; return (m, 7).
        """
        if not optima.exists.any():
            return np.full((len(optima.loss), len(self.parameters)), np.nan)
        law, _, _ = self._chosen_losses(whole)
        fixed = {"E": 0.0} if params[0, 4] == 0 else {}
        columns = np.flatnonzero(optima.exists.any(axis=0))
        columns = columns[:: max(1, -(-len(columns) // LOSS_POINTS))]
        exists, loss = (optima.exists * optima.drawn)[:, columns], optima.loss[:, columns]
        # a missing optimum has no weight: any loss may stand for it
        points = law.points_of(optima.flops[columns], np.where(exists > 0, loss, 1))
        frontiers, _ = law.refine(points, fixed, params[:, 4:], exists)
        return self._params(optima.lines(), frontiers)

    @staticmethod
    def moved(draws: np.ndarray, line: tuple[np.ndarray, np.ndarray], flops_of: TrainingFlops) -> np.ndarray:
        """Return estimates (m, 7) with a line in log C, of intercepts and slopes (m,), added to log N*, at the same compute."""
        intercept, slope = line
        moved, p = draws.copy(), flops_of.exponent
        moved[:, [0, 2]] *= np.exp(np.outer(intercept, [1, -p]))
        moved[:, [1, 3]] += np.outer(slope, [1, -p])
        return moved

    @staticmethod
    def widened(params: np.ndarray, draws: np.ndarray, factor: float) -> np.ndarray:
        """Return estimates (m, 7) whose N* and D* are ``factor`` times as far from those of the estimate (1, 7)."""
        wide = draws.copy()
        wide[:, [0, 2]] = params[:, [0, 2]] * (draws[:, [0, 2]] / params[:, [0, 2]]) ** factor
        wide[:, [1, 3]] = params[:, [1, 3]] + factor * (draws[:, [1, 3]] - params[:, [1, 3]])
        return wide

    @staticmethod
    def _params(lines: tuple[np.ndarray, ...], frontier: np.ndarray) -> np.ndarray:
        log_n, n_exponent, log_d, d_exponent = lines
        params = np.column_stack([np.exp(log_n), n_exponent, np.exp(log_d), d_exponent, frontier])
        return np.where(np.isfinite(params).all(axis=1, keepdims=True), params, np.nan)

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Predict the loss of the frontier at the FLOPs of each row, whatever its size."""
        return self._losses.losses(params[:, 4:], frame["C"].to_numpy(dtype=float))

    def frontier(self, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
        n_coefficient, n_exponent, d_coefficient, d_exponent = (column[:, None] for column in params.T[:4])
        return {
            "N": n_coefficient * flops**n_exponent,
            "D": d_coefficient * flops**d_exponent,
            "loss": self._losses.losses(params[:, 4:], flops),
        }


def _rolling_error(law: PowerLaw, points: Points, fixed: dict[str, float]) -> float:
    """Return the mean absolute log error of each optimum beyond the fourth, predicted from all at smaller budgets; 0 for at
    most four optima, which leave no choice.
    """
    count = len(points.y)
    if count <= FLOOR_POINTS:
        return 0.0
    smaller = np.tri(count, k=-1)[FLOOR_POINTS:]
    ends, _ = law.refine(points, fixed, law.solve(points, fixed).params, smaller)
    flops = points.x.C * points.scale["C"]
    predicted = np.diagonal(law.losses(ends, flops), FLOOR_POINTS)
    return float(np.nanmean(np.abs(np.log(predicted / points.y[FLOOR_POINTS:]))))


def weighted_line(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit lines to y (m, n) in x (n,) by weighted least squares; return intercepts and slopes (m,).

    :param weights: (m, n) or (n,), 0 to ignore y. The line of fewer than two points with weight is NaN.
    """
    weights = np.broadcast_to(weights, y.shape)
    y = np.where(weights > 0, y, 0)
    total = weights.sum(axis=1)
    with np.errstate(all="ignore"):  # without any point
        x_mean, y_mean = (weights @ x) / total, np.sum(weights * y, axis=1) / total
        distance = x - x_mean[:, None]
        slope = np.sum(weights * distance * (y - y_mean[:, None]), axis=1) / np.sum(weights * distance**2, axis=1)
    slope = np.where(np.sum(weights > 0, axis=1) > 1, slope, np.nan)
    return y_mean - slope * x_mean, slope
