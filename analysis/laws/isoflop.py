"""IsoFLOP profiles (arXiv 2203.15556, section 3.2, approach 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.base import Cost, Law, Parameter, Solution, best_runs
from analysis.laws.powers import SumOfPowers, evaluate, optima
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class IsoFlop(Law):
    """A parabola of loss in log N for each budget; power laws in C through the minima.

    Tokens at a minimum come from a parabola of log D in log N over the same runs, so that nothing assumes C = 6ND. The loss
    at the minima follows ``E + A C^-gamma``, or ``A C^-gamma`` where there are fewer than four of them.
    """

    name: ClassVar[str] = "isoflop"
    title: ClassVar[str] = "IsoFLOP profiles"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, section 3.2"
    objective: ClassVar[str] = "sum of squared residuals of the parabolas"
    allocates: ClassVar[bool] = True
    formula: ClassVar[str] = "N*(C) = N_coefficient C^N_exponent, D*(C) = D_coefficient C^D_exponent, L*(C) = E + A C^-gamma"
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "C", "loss")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("N_coefficient", "optimal parameters at one FLOP"),
        Parameter("N_exponent", "exponent of the optimal parameters in C"),
        Parameter("D_coefficient", "optimal tokens at one FLOP"),
        Parameter("D_exponent", "exponent of the optimal tokens in C"),
        Parameter("E", "irreducible loss of the frontier, nats a token", lower=1e-3),
        Parameter("A", "coefficient of the frontier's loss"),
        Parameter("gamma", "exponent of the frontier's loss", lower=1e-2, upper=3),
    )

    frontier_delta: float = 1e-3  # of the Huber loss of log loss, for the law of the minima

    def predicted(self, frame: pd.DataFrame) -> pd.DataFrame:
        return best_runs(frame)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["budget"].to_numpy()

    def estimate(self, frame: pd.DataFrame) -> Solution:
        profiles = Profiles(frame)
        minima = profiles.minima(np.ones((1, len(frame))))
        used = np.isfinite(minima["loss"])
        table = profiles.table(minima)
        excluded = [f"the budget of {row['C']:.3g} FLOPs is left out: {row['excluded']}" for row in table if row["excluded"]]
        if used.sum() < 2:
            raise ConfigError(
                f"law: isoflop needs at least 2 budgets with a minimum inside; there are {used.sum()}; {'; '.join(excluded)}"
            )
        offset = bool(used.sum() >= 4)
        if not offset:
            excluded.append(f"{used.sum()} minima are too few for an irreducible loss: the frontier's loss is a pure power law")
        regression = self._frontier(minima, offset)
        theta, values = regression.fit(regression.starts(), used.astype(float))
        best, basins, agreeing = optima(values)
        params = self._params(minima, regression.natural(theta[[best]]), offset)
        value = np.array([sum(row["squared_error"] for row in table if not row["excluded"])])
        return Solution(params, value, basins, agreeing, {"budgets": table}, excluded)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        minima = Profiles(frame).minima(weights)
        offset = bool(params[0, 4] > 0)
        regression = self._frontier(minima, offset)
        start = params[:, 4:] if offset else params[:, 5:]
        theta, _ = regression.fit(
            np.repeat(regression.fitted(start), len(weights), axis=0), np.isfinite(minima["loss"]).astype(float)
        )
        found = self._params(minima, regression.natural(theta), offset)
        found[np.isfinite(minima["loss"]).sum(axis=1) < (3 if offset else 2)] = np.nan
        return found

    def _frontier(self, minima: dict[str, np.ndarray], offset: bool) -> SumOfPowers:
        # a budget without a minimum has no weight; any finite loss stands for it
        return SumOfPowers(np.log(minima["C"][:1]), np.log(np.nan_to_num(minima["loss"], nan=1.0)), offset, self.frontier_delta)

    def _params(self, minima: dict[str, np.ndarray], frontier: np.ndarray, offset: bool) -> np.ndarray:
        n_coefficient, n_exponent = _line(np.log(minima["C"]), minima["log_n"])
        d_coefficient, d_exponent = _line(np.log(minima["C"]), minima["log_d"])
        floor = frontier[:, 0] if offset else np.zeros(len(frontier))
        return np.stack(
            [np.exp(n_coefficient), n_exponent, np.exp(d_coefficient), d_exponent, floor, frontier[:, -2], frontier[:, -1]],
            axis=1,
        )

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """The loss of the frontier at each run's FLOPs, whatever its size."""
        return evaluate(params[:, 4:], np.log(frame[["C"]].to_numpy().T))

    def frontier(self, params: np.ndarray, flops: np.ndarray, cost: Cost) -> dict[str, np.ndarray]:
        n_coefficient, n_exponent, d_coefficient, d_exponent = (column[:, None] for column in params.T[:4])
        loss = evaluate(params[:, 4:], np.log(flops)[None])
        return {"N": n_coefficient * flops**n_exponent, "D": d_coefficient * flops**d_exponent, "loss": loss}


class Profiles:
    """The IsoFLOP curves of a frame: parabolas in log N, centred on each budget, for a batch of weights at once."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.labels, self.index = np.unique(frame["budget"].to_numpy(), return_inverse=True)
        self.groups = [np.flatnonzero(self.index == i) for i in range(len(self.labels))]
        self.log_n, self.log_d = np.log(frame["N"].to_numpy()), np.log(frame["D"].to_numpy())
        self.loss = frame["loss"].to_numpy()
        self.flops = np.array([np.exp(np.log(frame["C"].to_numpy()[rows]).mean()) for rows in self.groups])

    def minima(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """``C``, ``log_n``, ``log_d``, ``loss`` and ``curvature`` at the minimum of each budget: (m, budgets).

        NaN for a budget with fewer than three sizes, a parabola that opens downward, or a minimum that the sizes do not
        bracket. What brackets is a property of the study, so a resample is held against all sizes of the budget.
        """
        shape = (len(weights), len(self.groups))
        found = {name: np.full(shape, np.nan) for name in ("log_n", "log_d", "loss", "curvature", "vertex")}
        found["C"] = np.broadcast_to(self.flops, shape)
        for i, rows in enumerate(self.groups):
            sizes, size_of = np.unique(self.log_n[rows], return_inverse=True)
            if len(sizes) < 3:
                continue
            x = self.log_n[rows] - sizes.mean()
            drawn = np.stack([weights[:, rows][:, size_of == k].sum(axis=1) > 0 for k in range(len(sizes))], axis=1)
            design = np.stack([np.ones_like(x), x, x**2], axis=1)
            targets = np.stack([self.loss[rows], self.log_d[rows]], axis=1)
            normal = np.einsum("mn,ni,nj->mij", weights[:, rows], design, design)
            right = np.einsum("mn,ni,nt->mit", weights[:, rows], design, targets)
            solvable = drawn.sum(axis=1) >= 3
            beta = np.linalg.solve(np.where(solvable[:, None, None], normal, np.eye(3)), right)  # (m, 3, 2)
            loss, tokens = beta[..., 0], beta[..., 1]
            upward = solvable & (loss[:, 2] > 0)
            vertex = -loss[:, 1] / (2 * np.where(upward, loss[:, 2], 1))
            found["curvature"][:, i] = np.where(solvable, loss[:, 2], np.nan)
            found["vertex"][:, i] = np.where(upward, vertex + sizes.mean(), np.nan)
            lowest = self.log_n[rows][self.loss[rows].argmin()]
            bracketed = upward & (sizes[0] < vertex + sizes.mean()) & (vertex + sizes.mean() < sizes[-1])
            bracketed &= sizes[0] < lowest < sizes[-1]
            powers = vertex[:, None] ** np.arange(3)
            for name, value in (
                ("log_n", vertex + sizes.mean()),
                ("loss", np.sum(powers * loss, axis=1)),
                ("log_d", np.sum(powers * tokens, axis=1)),
            ):
                found[name][:, i] = np.where(bracketed, value, np.nan)
        return found

    def table(self, minima: dict[str, np.ndarray]) -> list[dict]:
        """The budgets of the estimate (the first row of the batch), with the reason where one is left out."""
        rows = []
        for i, group in enumerate(self.groups):
            log_n, loss = self.log_n[group], self.loss[group]
            curvature, vertex = minima["curvature"][0, i], minima["vertex"][0, i]
            reason = ""
            if len(np.unique(log_n)) < 3:
                reason = "fewer than three model sizes"
            elif curvature <= 0:
                reason = "its parabola opens downward"
            elif np.isnan(minima["loss"][0, i]):
                small = min(vertex, log_n[loss.argmin()]) <= log_n.min()
                reason = f"its minimum is at the {'smallest' if small else 'largest'} model, N = {np.exp(log_n.min() if small else log_n.max()):.3g}"
            if reason:
                rows.append({"C": self.flops[i], "runs": len(group), "excluded": reason})
                continue
            beta = np.polyfit(log_n - vertex, loss, 2)
            rows.append(
                {
                    "C": self.flops[i],
                    "runs": len(group),
                    "N": np.exp(minima["log_n"][0, i]),
                    "D": np.exp(minima["log_d"][0, i]),
                    "loss": minima["loss"][0, i],
                    "curvature": curvature,
                    "squared_error": float(np.sum((np.polyval(beta, log_n - vertex) - loss) ** 2)),
                    "excluded": "",
                }
            )
        return rows


def _line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of each row, NaN left out: intercepts (m,) and slopes (m,)."""
    known = np.isfinite(y)
    count = np.maximum(known.sum(axis=1), 1)
    y = np.where(known, y, 0)
    x_mean, y_mean = np.sum(x * known, axis=1) / count, y.sum(axis=1) / count
    dx = (x - x_mean[:, None]) * known
    spread = np.maximum(np.sum(dx**2, axis=1), 1e-12)
    slope = np.sum(dx * (y - y_mean[:, None]), axis=1) / spread
    return y_mean - slope * x_mean, slope
