"""Laws that are one formula fitted to every point. Such a law is little more than its formula."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Gt, Le

from analysis.laws.base import Law, Solution
from analysis.laws.constraints import Constraints
from analysis.numerics.optimise import OBJECTIVES, Objective, Regression
from openr1.errors import ConfigError
from openr1.options.ranges import OneOf

if TYPE_CHECKING:
    import pandas as pd

GRID = 4500  # approximate number of starts that are screened
REFINED = 24  # number of the best of them that are refined
QUICK = (600, 8)  # the same for one of many fits
SAMPLED = 20_000  # rows that starts are screened and refined on; the best ends are refined on all rows
SAME = 1e-4  # relative difference of the sums of two ends that count as one optimum
STEP = 1e-30  # size of the complex step, which has no cancellation


class Inputs(SimpleNamespace):
    """The predictors of a law by name, each (n,) for all problems of a batch or (m, n)."""

    def rows(self, rows: np.ndarray) -> Inputs:
        """Return the predictors of some problems of the batch."""
        return Inputs(**{name: value[rows] if value.ndim == 2 else value for name, value in vars(self).items()})


@dataclass(frozen=True)
class Points:
    """The points that a curve is fitted to, with predictors in units of ``scale``."""

    x: Inputs
    y: np.ndarray  # (n,) or (m, n)
    weights: np.ndarray  # (n,), of the points in the sum
    scale: dict[str, float]

    def sample(self, size: int) -> Points:
        """Return evenly spaced points in the order of the response, or all if there are no more than ``size``."""
        if len(self.weights) <= size or self.y.ndim > 1:
            return self
        rows = np.argsort(self.y, kind="stable")[np.linspace(0, len(self.weights) - 1, size).astype(int)]
        x = Inputs(**{name: values[rows] for name, values in vars(self.x).items()})
        return Points(x, self.y[rows], self.weights[rows], self.scale)

    def in_natural_units(self) -> Points:
        """Return the points with a scale of 1, so that every parameter is a coordinate by itself."""
        x = Inputs(**{name: values * self.scale[name] for name, values in vars(self.x).items()})
        return Points(x, self.y, self.weights, dict.fromkeys(self.scale, 1.0))


@dataclass
class CurveLaw(Law):
    """``y = curve(x; params)``, fitted by minimising the sum over the points that ``objective`` names.

    A law gives its ``parameters``, ``predictors`` and ``curve``. Positive parameters are fitted as logarithms. ``linear``
    parameters, in which the curve is linear, are solved in closed form for each start of the others (variable projection: Golub
    and Pereyra 1973), so that a grid of thousands of starts takes one pass; the best starts are refined to their optima.

    Predictors are fitted in units of their geometric mean, in which a coefficient and its exponent are nearly uncorrelated.
    """

    objective: Annotated[str, OneOf(OBJECTIVES)] = "huber"  # huber, lad, log_mse or mse
    delta: Annotated[float, Gt(0), Le(1e3)] = 1e-3  # delta of the Huber loss of log residuals
    overprediction: Annotated[float, Gt(0), Le(1e3)] = 1.0  # factor of the loss of points that the curve is above

    regression: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.constraints = Constraints()
        self.grid, self.refined = GRID, REFINED

    @property
    @abstractmethod
    def predictors(self) -> tuple[str, ...]:
        """The variables of the curve: columns of a frame, unless ``inputs`` derives them."""

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.predictors, self.response)

    @property
    def loss(self) -> Objective:
        return Objective(self.objective, self.delta if self.objective == "huber" else None, self.overprediction)

    def constrained(self, constraints: Constraints) -> Self:
        """Return this law with constraints on its parameters.

        :raises ConfigError: for a constraint on a parameter that the law does not have.
        """
        constraints.check(self.name, self.parameters)
        law = copy(self)
        law.constraints = constraints
        return law

    def quick(self) -> Self:
        """Return this law with fewer starts, for one of many fits of the same runs."""
        law = copy(self)
        law.grid, law.refined = QUICK
        return law

    # the formula of a law

    @abstractmethod
    def curve(self, x: Inputs, *params: Any, **_: Any) -> np.ndarray:
        """Return the values (m, n) at the predictors, for parameters (m, 1) each, real or complex, given by position."""

    def slopes(self, x: Inputs, *params: Any, **_: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the values (m, n) and, for each parameter, their derivatives (m, n).

        The complex step is exact to rounding (Squire and Trapp 1998); a law overrides it if the closed form is short.
        """
        slopes = []
        for j, value in enumerate(params):
            stepped = [*params]
            stepped[j] = value + 1j * STEP
            slopes.append(self.curve(x, *stepped).imag / STEP)
        return self.curve(x, *params), slopes

    def rescaled(self, params: dict[str, np.ndarray], scale: Mapping[str, float]) -> dict[str, np.ndarray]:
        """Return the parameters of the same curve after each predictor x is divided by ``scale[x]``.

        Without this method a law is fitted in the units of its columns, in which it converges more slowly.
        """
        return params

    def fixed(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return the parameters that the law itself fixes for these runs, in natural units."""
        return {}

    def known(self, frame: pd.DataFrame) -> dict[str, float]:
        """Return the parameters that are given rather than fitted: by the law or by the constraints."""
        return {**self.fixed(frame), **self.constraints.fix}

    def inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the predictors (n,) by name: columns of the frame, unless a law derives them."""
        return {name: frame[name].to_numpy(dtype=float) for name in self.predictors}

    def points(self, frame: pd.DataFrame) -> Points:
        """Return the points of a frame.

        :raises ConfigError: if the frame lacks what the law needs.
        """
        columns = self.inputs(frame)
        scale = {name: self._scale(values) for name, values in columns.items()}
        weights = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
        x = Inputs(**{name: values / scale[name] for name, values in columns.items()})
        return Points(x, self.observed(frame), weights, scale)

    def _scale(self, values: np.ndarray) -> float:
        """Return the unit of a predictor in the fit: its geometric mean, if the law says what that does to its parameters."""
        known = type(self).rescaled is not CurveLaw.rescaled
        return float(np.exp(np.log(values).mean())) if known and (values > 0).all() else 1.0

    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return starts (m,) of each parameter that is neither fixed nor linear, in units of the points: a grid over their
        ranges.
        """
        free = [p for p in self.parameters if p.name not in {*fixed, *self.constraints.tied} and not p.linear]
        if not free:
            return {}
        each = max(3, round(self.grid ** (1 / len(free))))
        axes = [np.geomspace(*p.starts, each) if p.positive else np.linspace(*p.starts, each) for p in free]
        grid = np.array(list(itertools.product(*axes))).T
        return {p.name: values for p, values in zip(free, grid, strict=True)}

    # what follows from the formula

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return [p.name for p in self.parameters]

    def free(self, frame: pd.DataFrame) -> list[str]:
        """Return the names of the fitted parameters; of tied ones, the first."""
        given = {*self.known(frame), *self.constraints.tied}
        return [name for name in self.names if name not in given]

    def check_runs(self, frame: pd.DataFrame) -> None:
        """Refuse runs that cannot determine the law, such as fewer points than one more than its parameters.

        :raises ConfigError: with what the law needs.
        """
        free = len(self.free(frame))
        if len(frame) <= free:
            raise ConfigError(
                f"law: {self.name} has {free} parameters and needs at least {free + 1} points; there are {len(frame)}"
            )

    def estimate(self, frame: pd.DataFrame) -> Solution:
        self.check_runs(frame)
        return self.solve(self.points(frame), self.known(frame))

    def solve(self, points: Points, fixed: dict[str, float], weights: np.ndarray | None = None) -> Solution:
        """Return the best of many starts for points (n,) that all problems share."""
        if weights is not None:
            points = replace(points, weights=weights)
        few = points.sample(SAMPLED)
        problem = CurveRegression(self, few, fixed, 1)
        starts = problem.screen_starts(self.starts(few, problem.fixed), few.weights, self.refined)
        theta, values = problem.minimise(starts, few.weights[None])
        order = np.argsort(values)
        same = SAME * values[order[0]] + 1e-9 * (self.loss.delta or 1e-3) ** 2
        distinct = 1 + int(np.sum(np.diff(values[order][np.isfinite(values[order])]) > same))
        agreeing = float(np.mean(values <= values[order[0]] + same))
        best, value = problem.to_params(theta[order[:1]]), values[order[:1]]
        if few is not points or self.constraints.priors:
            best, value = self.refine(points, fixed, best, np.ones((1, len(points.weights))))
        return Solution(best, value, distinct, agreeing)

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self.refine(self.points(frame), self.known(frame), params, weights)[0]

    def refine(
        self, points: Points, fixed: dict[str, float], params: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Refine a start to its optimum for each row of counts (m, n); return optima (m, p) and sums (m,).

        :param params: one start (1, p), or a start per problem (m, p).
        :returns: NaN for a row that draws fewer points than there are parameters.
        """
        problem = CurveRegression(self, points, fixed, len(weights))
        start = np.broadcast_to(problem.to_theta(params), (len(weights), problem.size))
        weights = weights * points.weights
        problem.add_priors(start[:1])
        theta, values = problem.minimise(start, weights)
        theta[np.sum(weights > 0, axis=1) < problem.size] = np.nan
        return problem.to_params(theta), values

    def predict(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        x = Inputs(**self.inputs(frame))
        with np.errstate(all="ignore"):
            return self.curve(x, *(column[:, None] for column in params.T))

    def residuals(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Return the residuals (n,) of the measured responses: of logarithms, unless the objective is ``mse``."""
        measured, predicted = self.observed(frame), self.predict(params, frame)[0]
        return np.log(measured / predicted) if self.loss.logs else measured - predicted

    def jacobian(self, params: np.ndarray, frame: pd.DataFrame) -> np.ndarray:
        """Return the derivatives (n, p) of the residuals by the fitted coordinates of the free parameters, at the estimate
        (1, p).
        """
        problem = CurveRegression(self, self.points(frame), self.known(frame), 1)
        _, jacobian, _ = problem.model(problem.to_theta(params), np.ones((1, len(frame))), np.zeros(1, dtype=int))
        return jacobian[0]


class CurveRegression(Regression):
    """A batch of fits of one law to its points: some parameters are fixed, the others have fitted coordinates ``theta``."""

    def __init__(self, law: CurveLaw, points: Points, fixed: Mapping[str, float | np.ndarray], batch: int) -> None:
        """Convert the fixed parameters to the units of the points.

        :param fixed: values in natural units, one for all problems or (m,).
        """
        super().__init__(self._curve, self._slopes, points.y, law.loss)
        tied = law.constraints.tied
        fixed = {**fixed, **{name: fixed[first] for name, first in tied.items() if first in fixed}}
        self.free = [p for p in law.parameters if p.name not in {*fixed, *tied}]
        # tied parameters, to the first of which the fitted coordinate belongs
        self.members = {p.name: [p.name, *(name for name, first in tied.items() if first == p.name)] for p in self.free}
        if any(p.coefficient and p.name in law.constraints.fix for p in law.parameters):
            points = points.in_natural_units()  # in which a fixed coefficient does not depend on fitted exponents
        self.law, self.points = law, points
        units = {name: np.broadcast_to(np.asarray(value, dtype=float), (batch,))[:, None] for name, value in fixed.items()}
        if any(scale != 1 for scale in points.scale.values()):
            with np.errstate(all="ignore"):
                units = law.rescaled({name: np.full((batch, 1), np.nan) for name in law.names} | units, points.scale)
        self.fixed = {name: units[name] for name in fixed}

    @property
    def size(self) -> int:
        """The number of fitted parameters."""
        return len(self.free)

    def _values(self, theta: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
        """Return the parameters (m, 1) in the units of the points."""
        columns = {}
        for j, p in enumerate(self.free):
            value = np.exp(theta[:, j, None]) if p.positive else theta[:, j, None]
            columns |= dict.fromkeys(self.members[p.name], value)
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
            index = [self.law.names.index(name) for name in self.members[p.name]]
            jacobian[..., j] = sum(slopes[k] for k in index) * (params[index[0]] if p.positive else 1)
        return values, jacobian

    def add_priors(self, start: np.ndarray) -> None:
        """Add minus the log density of the priors, in units of the sums, by the residuals at a start (1, p)."""
        constraints = self.law.constraints
        if not constraints.priors:
            return
        residuals = self._residuals(self.curve(start, np.zeros(1, dtype=int)), np.zeros(1, dtype=int))[0]
        unit = self.objective.scale(residuals, self.size)
        index = [self.law.names.index(name) for name in constraints.priors]
        priors = list(constraints.priors.values())
        logs = np.array([prior.is_log for prior in priors])
        centre, spread = (np.array([getattr(prior, name) for prior in priors]) for name in ("centre", "spread"))
        centres = centre + spread * (0 if constraints.noise is None else constraints.noise)

        def distances(theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
            values = self.to_params(theta)[:, index]
            return (np.where(logs, np.log(values), values) - (centres[rows] if centres.ndim > 1 else centres)) / spread

        def penalty(theta: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            steps = [distances(theta + 1j * STEP * unit_step, rows).imag / STEP for unit_step in np.eye(self.size)]
            slopes, away = np.stack(steps, axis=-1), distances(theta, rows)
            gradient = np.einsum("mk,mkp->mp", away, slopes)
            return unit * np.sum(away**2, axis=1) / 2, unit * gradient, unit * np.einsum("mkp,mkq->mpq", slopes, slopes)

        self.penalty = penalty

    def to_params(self, theta: np.ndarray) -> np.ndarray:
        """Convert fitted coordinates to all parameters (m, p) in natural units."""
        with np.errstate(all="ignore"):  # a resample that does not determine an exponent has no coefficient
            values = dict(zip(self.law.names, self._values(theta, np.arange(len(theta))), strict=True))
            values = self.law.rescaled(values, {name: 1 / scale for name, scale in self.points.scale.items()})
        return np.concatenate([np.broadcast_to(values[name], (len(theta), 1)) for name in self.law.names], axis=1)

    def to_theta(self, params: np.ndarray) -> np.ndarray:
        """Convert parameters in natural units to fitted coordinates."""
        values = {name: params[:, j, None] for j, name in enumerate(self.law.names)}
        with np.errstate(all="ignore"):
            values = self.law.rescaled(values, self.points.scale)
            columns = [np.log(values[p.name]) if p.positive else values[p.name] for p in self.free]
        return np.concatenate(columns, axis=1) if columns else np.empty((len(params), 0))

    def screen_starts(self, starts: dict[str, np.ndarray], weights: np.ndarray, keep: int) -> np.ndarray:
        """Return the ``keep`` best starts (m, p) in fitted coordinates, with their linear parameters solved."""
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
                    theta[part] = self._solve_linear(theta[part], linear, weights)
                values[part] = self.value(theta[part], weights[None], rows[part])
        return theta[np.argsort(values, kind="stable")[:keep]]

    def _solve_linear(self, theta: np.ndarray, linear: list[int], weights: np.ndarray) -> np.ndarray:
        """Set the linear parameters to the nonnegative least squares of relative residuals."""
        target = np.asarray(self.points.y, dtype=float)
        share = np.sqrt(weights) / (target if self.objective.logs else 1)
        rows = np.zeros(len(theta), dtype=int)
        params = self._values(theta, rows)
        members = [[self.law.names.index(name) for name in self.members[self.free[j].name]] for j in linear]
        solved = {k for index in members for k in index}
        unit = [np.zeros_like(value) if k in solved else value for k, value in enumerate(params)]
        x = self.points.x.rows(rows)
        base = self.law.curve(x, *unit)
        columns = []
        for index in members:
            for k in index:
                unit[k] = np.ones_like(params[k])
            columns.append((self.law.curve(x, *unit) - base) * share)
            for k in index:
                unit[k] = np.zeros_like(params[k])
        design = np.stack(columns, axis=-1)
        right = (target - base) * share
        best = _nonnegative_least_squares(design, np.broadcast_to(right, design.shape[:2]))
        theta = theta.copy()
        for column, j in enumerate(linear):
            values = best[:, column]
            typical = np.median(np.abs(design[:, share > 0, column] / share[share > 0]), axis=1)
            smallest = 1e-4 * np.median(target) / np.maximum(typical, 1e-300)
            theta[:, j] = np.log(np.maximum(values, smallest)) if self.free[j].positive else values
        return theta


def _nonnegative_least_squares(design: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve least squares with coefficients of at least 0 for a batch (m, n, k), by trying each subset of the few
    coefficients.
    """
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
            solution = np.linalg.solve(normal, (moment[:, chosen] / scale)[:, :, None])[:, :, 0] / scale
            squares = total - np.einsum("mi,mi->m", solution, moment[:, chosen])
            better = (solution >= 0).all(axis=1) & (squares < lowest)
            best[better] = 0
            best[np.ix_(better, chosen)] = solution[better]
            lowest = np.where(better, squares, lowest)
    return best
