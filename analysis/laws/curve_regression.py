"""A batch of regressions of one curve: its free parameters as coordinates, in the units of the points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from openr1.analysis.laws.base import Parameter
from openr1.analysis.laws.constraints import Constraints
from openr1.analysis.laws.points import Inputs, Points
from openr1.analysis.numerics.nonnegative import nonnegative_least_squares
from openr1.analysis.numerics.optimise import Objective, Regression

STEP = 1e-30  # size of the complex step, which has no cancellation


class Curve(Protocol):
    """The members of a law that a regression uses; :class:`openr1.analysis.laws.regression.CurveLaw` says what they are."""

    constraints: Constraints

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def loss(self) -> Objective: ...
    def curve(self, x: Inputs, *params: Any) -> np.ndarray: ...
    def slopes(self, x: Inputs, *params: Any) -> tuple[np.ndarray, list[np.ndarray]]: ...
    def rescaled(self, params: dict[str, np.ndarray], scale: Mapping[str, float]) -> dict[str, np.ndarray]: ...
    def starts(self, points: Points, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]: ...


class CurveRegression(Regression):
    """A batch of fits of one law to its points: some parameters are fixed, the others have fitted coordinates ``theta``."""

    def __init__(self, law: Curve, points: Points, fixed: Mapping[str, float | np.ndarray], batch: int) -> None:
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
        columns: dict[str, np.ndarray] = {}
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
        # the derivatives by a parameter lie side by side in memory, which halves the time of a step
        jacobian = np.moveaxis(np.empty((self.size, *values.shape)), 0, -1)
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
        best = nonnegative_least_squares(design, np.broadcast_to(right, design.shape[:2]))
        theta = theta.copy()
        for column, j in enumerate(linear):
            values = best[:, column]
            typical = np.median(np.abs(design[:, share > 0, column] / share[share > 0]), axis=1)
            smallest = 1e-4 * np.median(target) / np.maximum(typical, 1e-300)
            theta[:, j] = np.log(np.maximum(values, smallest)) if self.free[j].positive else values
        return theta
