"""IsoFLOP profiles (arXiv 2203.15556, section 3.2, approach 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.base import Cost, Law, Parameter, Solution, best_runs
from analysis.laws.powers import FLOOR_POINTS, SumOfPowers, evaluate, no_floor
from analysis.profiles import Profile
from analysis.text import scientific
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class IsoFlop(Law):
    """A parabola of loss in log N for each budget, and power laws in C through the minima.

    The loss at the minima follows ``E + A C^-gamma``, or ``A C^-gamma`` (E is 0) where there are fewer than four of them.
    A budget whose parabola has no minimum between its sizes is left out, and named in the warnings.
    """

    name: ClassVar[str] = "isoflop"
    title: ClassVar[str] = "IsoFLOP profiles"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, section 3.2"
    objective: ClassVar[str] = "sum of squared residuals of the parabolas"
    allocates: ClassVar[bool] = True
    formula: ClassVar[str] = "N*(C) = N_coefficient C^N_exponent, D*(C) = D_coefficient C^D_exponent, L*(C) = E + A C^-gamma"
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "C", "loss")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("N_coefficient", "optimal parameters at one FLOP", coefficient=True),
        Parameter("N_exponent", "exponent of the optimal parameters in C"),
        Parameter("D_coefficient", "optimal tokens at one FLOP", coefficient=True),
        Parameter("D_exponent", "exponent of the optimal tokens in C"),
        Parameter("E", "irreducible loss of the frontier, nats a token", lower=1e-3),
        Parameter("A", "coefficient of the frontier's loss", coefficient=True),
        Parameter("gamma", "exponent of the frontier's loss", lower=1e-2, upper=3),
    )

    frontier_delta: float = 1e-3  # of the Huber loss of log loss, for the law of the minima

    def predicted(self, frame: pd.DataFrame) -> pd.DataFrame:
        return best_runs(frame)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["budget"].to_numpy()

    def estimate(self, frame: pd.DataFrame) -> Solution:
        minima = Minima(frame, np.ones((1, len(frame))))
        table = [profile.row() for profile in minima.profiles]
        warnings = _left_out(table)
        count = int(minima.found.sum())
        if count < 2:
            reasons = f"; {warnings[0]}" if warnings else ""
            raise ConfigError(f"law: isoflop needs at least 2 budgets whose minimum is inside; there are {count}{reasons}")
        offset = count >= FLOOR_POINTS
        if not offset:
            warnings.append(no_floor(count))
        frontier = self._frontier(minima, offset).search(minima.found.astype(float))
        squared_error = np.array([sum(row["squared_error"] for row in table if not row["excluded"])])
        params = minima.params(frontier.params)
        return Solution(params, squared_error, frontier.basins, frontier.agreeing, {"budgets": table}, warnings)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        minima = Minima(frame, weights)
        offset = bool(params[0, 4] > 0)
        regression = self._frontier(minima, offset)
        start = regression.fitted(params[:, -regression.size :])
        theta, _ = regression.fit(np.repeat(start, len(weights), axis=0), minima.found.astype(float))
        resampled = minima.params(regression.natural(theta))
        resampled[minima.found.sum(axis=1) < regression.size] = np.nan
        return resampled

    def _frontier(self, minima: Minima, offset: bool) -> SumOfPowers:
        # a budget without a minimum has no weight: any loss may stand for it
        log_loss = np.where(minima.found, np.log(np.where(minima.found, minima.loss, 1)), 0)
        return SumOfPowers(minima.log_c[None], log_loss, offset, self.frontier_delta)

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """The loss of the frontier at each run's FLOPs, whatever its size."""
        return evaluate(params[:, 4:], np.log(frame[["C"]].to_numpy().T))

    def frontier(self, params: np.ndarray, flops: np.ndarray, cost: Cost) -> dict[str, np.ndarray]:
        n_coefficient, n_exponent, d_coefficient, d_exponent = (column[:, None] for column in params.T[:4])
        loss = evaluate(params[:, 4:], np.log(flops)[None])
        return {"N": n_coefficient * flops**n_exponent, "D": d_coefficient * flops**d_exponent, "loss": loss}


class Minima:
    """The minima of all budgets for each row of weights (m, n): ``log_n``, ``log_d``, ``loss`` and ``found``, (m, budgets)."""

    def __init__(self, frame: pd.DataFrame, weights: np.ndarray) -> None:
        budget = frame["budget"].to_numpy()
        groups = [np.flatnonzero(budget == label) for label in np.unique(budget)]
        self.profiles = [Profile(frame.iloc[rows]) for rows in groups]
        minima = [profile.minimum(weights[:, rows]) for profile, rows in zip(self.profiles, groups, strict=True)]
        self.log_c = np.log([profile.flops for profile in self.profiles])
        self.log_n, self.log_d, self.loss = (
            np.stack([getattr(minimum, name) for minimum in minima], axis=1) for name in ("log_n", "log_d", "loss")
        )
        self.found = np.isfinite(self.loss)

    def params(self, frontier: np.ndarray) -> np.ndarray:
        """The law's parameters (m, 7), from those of its frontier: E, A, gamma, or A, gamma."""
        exponents = [part for values in (self.log_n, self.log_d) for part in self._line(values)]
        floor = frontier[:, 0] if frontier.shape[1] == 3 else np.zeros(len(frontier))
        return np.stack([*exponents, floor, frontier[:, -2], frontier[:, -1]], axis=1)

    def _line(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least squares of log values in log C over the minima found: coefficients and exponents, (m,)."""
        count = np.maximum(self.found.sum(axis=1), 1)
        values = np.where(self.found, values, 0)
        x_mean, y_mean = self.found @ self.log_c / count, values.sum(axis=1) / count
        distance = (self.log_c - x_mean[:, None]) * self.found
        spread = np.maximum(np.sum(distance**2, axis=1), 1e-12)
        exponent = np.sum(distance * (values - y_mean[:, None]), axis=1) / spread
        return np.exp(y_mean - exponent * x_mean), exponent


def _left_out(table: list[dict]) -> list[str]:
    """A sentence for each reason, with the budgets that it holds for."""
    reasons: dict[str, list[str]] = {}
    for row in table:
        if row["excluded"]:
            reasons.setdefault(row["excluded"], []).append(scientific(row["C"]))
    return [
        f"left out, {reason}: {len(budgets)} of {len(table)} budgets ({_some(budgets)} FLOPs)"
        for reason, budgets in reasons.items()
    ]


def _some(names: list[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
