"""Laws that are one formula, fitted to every point: what they share, so that such a law is little more than its formula."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.base import Law, Solution
from analysis.numerics.optimise import OBJECTIVES, Objective, Regression
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

GRID = 4500  # starts that are screened, about
REFINED = 24  # the best of them, which are followed to their optimum
SAME = 1e-4  # two ends are one optimum where their sums agree within this share
STEP = 1e-30  # of the complex step: no cancellation, so that it may be as small as this


class Inputs(SimpleNamespace):
    """The predictors of a law by name, each (n,) for all problems of a batch or (m, n)."""

    def rows(self, rows: np.ndarray) -> Inputs:
        """Those of some problems of the batch."""
        return Inputs(**{name: value[rows] if value.ndim == 2 else value for name, value in vars(self).items()})


@dataclass(frozen=True)
class Points:
    """What a curve is fitted to, the predictors in units of ``scale``."""

    x: Inputs
    y: np.ndarray  # (n,) or (m, n)
    weights: np.ndarray  # (n,), of the points themselves
    scale: dict[str, float]

    def natural(self) -> Points:
        """The same in units of one, in which every parameter is a coordinate of its own."""
        x = Inputs(**{name: values * self.scale[name] for name, values in vars(self.x).items()})
        return Points(x, self.y, self.weights, dict.fromkeys(self.scale, 1.0))


@dataclass
class CurveLaw(Law):
    """``y = curve(x; params)``, by the sum over the points that ``objective`` names.

    A law gives its ``parameters``, ``predictors`` and ``curve``. Parameters are fitted as logarithms where they are positive.
    Those that the curve is linear in, ``linear``, are solved in closed form for each start of the others (variable projection:
    Golub and Pereyra 1973), so that a grid of thousands of starts costs one pass; the best are followed to their optima.

    Predictors are fitted in units of their geometric mean, in which a coefficient and its exponent are nearly uncorrelated.
    """

    objective: str = "huber"  # huber, lad, log_mse or mse
    delta: float = 1e-3  # of the Huber loss of the residuals of the logarithm

    predictors: ClassVar[tuple[str, ...]]
    regression: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ConfigError(f"law.objective: {self.objective!r} is not one of {', '.join(OBJECTIVES)}")
        if self.delta <= 0:
            raise ConfigError("law.delta: must be above 0")

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.predictors, self.response)

    @property
    def loss(self) -> Objective:
        return Objective(self.objective, self.delta if self.objective == "huber" else None)

    # what a law says

    @abstractmethod
    def curve(self, x: Inputs, *params: np.ndarray) -> np.ndarray:
        """Values (m, n) at the predictors, for parameters (m, 1) each, real or complex."""

    def slopes(self, x: Inputs, *params: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Values (m, n) and, for each parameter, their derivatives (m, n).

        By the complex step (Squire and Trapp 1998), exact to rounding; a law overrides it where the closed form is short.
        """
        slopes = []
        for j, value in enumerate(params):
            stepped = [*params]
            stepped[j] = value + 1j * STEP
            slopes.append(self.curve(x, *stepped).imag / STEP)
        return self.curve(x, *params), slopes

    def rescaled(self, params: dict[str, np.ndarray], scale: Mapping[str, float]) -> dict[str, np.ndarray]:
        """The parameters of the same curve where each predictor x is measured in ``scale[x]`` of its unit before."""
        return params

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        """Parameters that are given, not fitted, in natural units."""
        return {}

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """The predictors (n,) by name: columns of the frame, unless a law makes them of others."""
        return {name: frame[name].to_numpy(dtype=float) for name in self.predictors}

    def points(self, frame: pd.DataFrame) -> Points:
        """The points of a frame. Raises :class:`ConfigError` where it cannot give them."""
        columns = self.inputs(frame)
        scale = {name: float(np.exp(np.log(values).mean())) if (values > 0).all() else 1.0 for name, values in columns.items()}
        weights = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
        x = Inputs(**{name: values / scale[name] for name, values in columns.items()})
        return Points(x, self.observed(frame), weights, scale)

    def starts(self, points: Points, fixed: dict[str, float]) -> dict[str, np.ndarray]:
        """Starts (m,) of each parameter that is neither fixed nor linear, in units of the points: a grid over the ranges."""
        free = [p for p in self.parameters if p.name not in fixed and not p.linear]
        if not free:
            return {}
        each = max(3, round(GRID ** (1 / len(free))))
        axes = [np.geomspace(*p.starts, each) if p.positive else np.linspace(*p.starts, each) for p in free]
        grid = np.array(list(itertools.product(*axes))).T
        return {p.name: values for p, values in zip(free, grid, strict=True)}

    # what follows from it

    @property
    def names(self) -> list[str]:
        return [p.name for p in self.parameters]

    def free(self, frame: pd.DataFrame) -> list[str]:
        """Names of the parameters that are fitted."""
        fixed = self.fixed(frame)
        return [name for name in self.names if name not in fixed]

    def check(self, frame: pd.DataFrame) -> None:
        """Raise :class:`ConfigError` for fewer points than the parameters and one more."""
        free = len(self.free(frame))
        if len(frame) <= free:
            raise ConfigError(
                f"law: {self.name} has {free} parameters and needs at least {free + 1} points; there are {len(frame)}"
            )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        self.check(frame)
        return self.solve(self.points(frame), self.fixed(frame))

    def solve(self, points: Points, fixed: dict[str, float], weights: np.ndarray | None = None) -> Solution:
        """The best of many starts for points (n,) that all problems share."""
        weights = points.weights if weights is None else weights
        problem = Problem(self, points, fixed, 1)
        starts = problem.screened(self.starts(points, problem.fixed), weights)
        theta, values = problem.minimise(starts, weights[None])
        order = np.argsort(values)
        same = SAME * values[order[0]] + 1e-9 * (self.loss.delta or 1e-3) ** 2
        distinct = 1 + int(np.sum(np.diff(values[order][np.isfinite(values[order])]) > same))
        agreeing = float(np.mean(values <= values[order[0]] + same))
        return Solution(problem.natural(theta[order[:1]]), values[order[:1]], distinct, agreeing)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self.follow(self.points(frame), self.fixed(frame), params, weights)[0]

    def follow(
        self, points: Points, fixed: dict[str, float], params: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Optima (m, p) and their sums (m,) of each row of counts (m, n), from the estimate on; NaN where too few are drawn.

        :param params: (1, p), or a start a problem: (m, p).
        """
        problem = Problem(self, points, fixed, len(weights))
        start = np.broadcast_to(problem.theta(params), (len(weights), problem.size))
        weights = weights * points.weights
        theta, values = problem.minimise(start, weights)
        theta[np.sum(weights > 0, axis=1) < problem.size] = np.nan
        return problem.natural(theta), values

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        x = Inputs(**self.inputs(frame))
        with np.errstate(all="ignore"):
            return self.curve(x, *(column[:, None] for column in params.T))

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Measured against the curve (n,): of logarithms, unless the objective is ``mse``."""
        measured, predicted = self.observed(frame), self.predict(params, frame)[0]
        return np.log(measured / predicted) if self.loss.logs else measured - predicted

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Derivatives (n, p) of the residuals in the fitted coordinates of the free parameters, at the estimate (1, p)."""
        problem = Problem(self, self.points(frame), self.fixed(frame), 1)
        _, jacobian, _ = problem.model(problem.theta(params), np.ones((1, len(frame))), np.zeros(1, dtype=int))
        return jacobian[0]


class Problem(Regression):
    """A batch of fits of one law to its points: what is fixed, and the coordinates of what is fitted."""

    def __init__(self, law: CurveLaw, points: Points, fixed: Mapping[str, float | np.ndarray], batch: int) -> None:
        """:param fixed: values in natural units, one for all problems or (m,)."""
        super().__init__(self._curve, self._slopes, points.y, law.loss)
        self.law, self.points = law, points
        self.free = [p for p in law.parameters if p.name not in fixed]
        units = {name: np.broadcast_to(np.asarray(value, dtype=float), (batch,))[:, None] for name, value in fixed.items()}
        if any(scale != 1 for scale in points.scale.values()):
            with np.errstate(all="ignore"):
                units = law.rescaled({name: np.full((batch, 1), np.nan) for name in law.names} | units, points.scale)
        self.fixed = {name: units[name] for name in fixed}

    @property
    def size(self) -> int:
        return len(self.free)

    def _values(self, theta: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
        """Parameters (m, 1) in the units of the points."""
        columns = {p.name: theta[:, j, None] for j, p in enumerate(self.free)}
        columns = {p.name: np.exp(columns[p.name]) if p.positive else columns[p.name] for p in self.free}
        for name, value in self.fixed.items():
            columns[name] = value[rows] if len(value) > 1 else np.broadcast_to(value, (len(theta), 1))
        return [columns[name] for name in self.law.names]

    def _curve(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self.law.curve(self.points.x.rows(rows), *self._values(theta, rows))

    def _slopes(self, theta: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        params = self._values(theta, rows)
        values, slopes = self.law.slopes(self.points.x.rows(rows), *params)
        jacobian = np.empty((*values.shape, self.size))
        for j, p in enumerate(self.free):
            index = self.law.names.index(p.name)
            jacobian[..., j] = slopes[index] * (params[index] if p.positive else 1)
        return values, jacobian

    def natural(self, theta: np.ndarray) -> np.ndarray:
        """Parameters (m, p) of all names, in natural units."""
        with np.errstate(all="ignore"):  # a resample that leaves an exponent free has no coefficient
            values = dict(zip(self.law.names, self._values(theta, np.arange(len(theta))), strict=True))
            values = self.law.rescaled(values, {name: 1 / scale for name, scale in self.points.scale.items()})
        return np.concatenate([np.broadcast_to(values[name], (len(theta), 1)) for name in self.law.names], axis=1)

    def theta(self, params: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`natural`."""
        values = {name: params[:, j, None] for j, name in enumerate(self.law.names)}
        with np.errstate(all="ignore"):
            values = self.law.rescaled(values, self.points.scale)
            columns = [np.log(values[p.name]) if p.positive else values[p.name] for p in self.free]
        return np.concatenate(columns, axis=1) if columns else np.empty((len(params), 0))

    def screened(self, starts: dict[str, np.ndarray], weights: np.ndarray, keep: int = REFINED) -> np.ndarray:
        """The ``keep`` best starts (m, p) in fitted coordinates, their linear parameters solved for."""
        count = len(next(iter(starts.values()))) if starts else 1
        theta = np.zeros((count, self.size))
        for j, p in enumerate(self.free):
            if not p.linear:
                theta[:, j] = np.log(starts[p.name]) if p.positive else starts[p.name]
        linear = [j for j, p in enumerate(self.free) if p.linear]
        rows = np.zeros(count, dtype=int)
        batch = max(1, 2_000_000 // max(len(weights), 1))
        values = np.empty(count)
        with np.errstate(all="ignore"):
            for first in range(0, count, batch):
                part = slice(first, first + batch)
                if linear:
                    theta[part] = self._projected(theta[part], linear, weights)
                values[part] = self.value(theta[part], weights[None], rows[part])
        return theta[np.argsort(values, kind="stable")[:keep]]

    def _projected(self, theta: np.ndarray, linear: list[int], weights: np.ndarray) -> np.ndarray:
        """With the linear parameters that minimise the squares of relative residuals, none of them below zero."""
        target = np.asarray(self.points.y, dtype=float)
        share = np.sqrt(weights) / (target if self.objective.logs else 1)
        rows = np.zeros(len(theta), dtype=int)
        params = self._values(theta, rows)
        index = [self.law.names.index(self.free[j].name) for j in linear]
        unit = [np.zeros_like(value) if k in index else value for k, value in enumerate(params)]
        x = self.points.x.rows(rows)
        base = self.law.curve(x, *unit)
        design = []
        for k in index:
            unit[k] = np.ones_like(params[k])
            design.append((self.law.curve(x, *unit) - base) * share)
            unit[k] = np.zeros_like(params[k])
        design = np.stack(design, axis=-1)
        right = (target - base) * share
        best = _nonnegative(design, np.broadcast_to(right, design.shape[:2]))
        theta = theta.copy()
        for column, j in enumerate(linear):
            values = best[:, column]
            typical = np.median(np.abs(design[:, share > 0, column] / share[share > 0]), axis=1)
            smallest = 1e-4 * np.median(target) / np.maximum(typical, 1e-300)
            theta[:, j] = np.log(np.maximum(values, smallest)) if self.free[j].positive else values
        return theta


def _nonnegative(design: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Least squares with coefficients of at least 0 for each of a batch (m, n, k), by trying each set of them: k is small."""
    gram = np.matmul(design.transpose(0, 2, 1), design)
    moment = np.matmul(design.transpose(0, 2, 1), right[:, :, None])[:, :, 0]
    total = np.einsum("mn,mn->m", right, right)
    k = design.shape[-1]
    best, lowest = np.zeros((len(design), k)), np.array(total)
    for count in range(1, k + 1):
        for chosen in itertools.combinations(range(k), count):
            part = gram[:, chosen][:, :, chosen]
            scale = np.sqrt(np.maximum(np.einsum("mii->mi", part), 1e-300))
            normal = part / (scale[:, :, None] * scale[:, None, :]) + 1e-12 * np.eye(count)
            normal = np.where(np.isfinite(normal).all(axis=(1, 2))[:, None, None], normal, np.eye(count))
            found = np.linalg.solve(normal, (moment[:, chosen] / scale)[:, :, None])[:, :, 0] / scale
            squares = total - np.einsum("mi,mi->m", found, moment[:, chosen])
            better = (found >= 0).all(axis=1) & (squares < lowest)
            best[better] = 0
            best[np.ix_(better, chosen)] = found[better]
            lowest = np.where(better, squares, lowest)
    return best
