"""Robust regression of many small problems at once: every start and every resample of the bootstrap is a row of an array.

A scaling law has a handful of parameters and tens to hundreds of points, so that a solver called a thousand times spends its
time on overhead. Here all problems take their steps together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

CHUNK = 30_000  # values of a batch at a time, which fit into the cache
STEPS = 200  # largest number of steps of a search
LAD_DELTAS = (
    1e-2,
    1e-3,
    1e-4,
    1e-5,
)  # deltas of Huber losses that approach the absolute one, in units of the residuals' spread
OBJECTIVES = ("huber", "lad", "log_mse", "mse")

# theta (m, p), rows (m,) -> values (m, n); rows are the indices of the problems in the batch
Curve = Callable[[np.ndarray, np.ndarray], np.ndarray]
# theta, rows -> values (m, n) and derivatives (m, n, p)
Slopes = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
# theta, rows -> values (m,), gradients (m, p) and curvatures (m, p, p)
Penalty = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Objective:
    """The loss of one residual, summed over the points: ``huber`` and ``log_mse`` of log residuals, ``lad`` their
    absolute value, ``mse`` of the values themselves. Sums differ from means by a factor of n.

    A residual is the curve minus the point. Positive ones, where the curve is above its point, count ``overprediction``
    times.
    """

    name: str = "huber"
    delta: float | None = 1e-3  # residual at which the Huber loss turns from quadratic to linear; null for other losses
    overprediction: float = 1.0  # factor of the loss of residuals above zero

    @property
    def logs(self) -> bool:
        """True if residuals are differences of logarithms."""
        return self.name != "mse"

    def losses(self, residuals: np.ndarray) -> np.ndarray:
        """Return r^2 / 2 up to ``delta`` and ``delta (|r| - delta / 2)`` beyond (Huber 1964); |r|; or r^2."""
        size = np.abs(residuals)
        if self.name == "lad":
            return self._tilted(residuals, size)
        if self.delta is None:
            return self._tilted(residuals, residuals**2)
        return self._tilted(residuals, np.where(size <= self.delta, residuals**2 / 2, self.delta * (size - self.delta / 2)))

    def influence(self, residuals: np.ndarray) -> np.ndarray:
        """Return the derivative of :meth:`losses`."""
        if self.name == "lad":
            return self._tilted(residuals, np.sign(residuals))
        pull = 2 * residuals if self.delta is None else np.clip(residuals, -self.delta, self.delta)
        return self._tilted(residuals, pull)

    def curvature(self, residuals: np.ndarray) -> np.ndarray:
        """Return the curvature of the parabola that touches :meth:`losses` at the residual and lies above it (iterated
        least squares).
        """
        size = np.maximum(np.abs(residuals), 1e-12)
        if self.name == "lad":
            return self._tilted(residuals, 1 / size)
        bend = np.full_like(residuals, 2.0) if self.delta is None else np.minimum(1, self.delta / size)
        return self._tilted(residuals, bend)

    def scale(self, residuals: np.ndarray, fitted: int) -> float:
        """Return the sum that one unit of minus log likelihood amounts to, by residuals (n,) of a fit of ``fitted``
        parameters: E[psi^2] / E[psi'] (Heritier and Ronchetti 1994), 2 sigma^2 for least squares of normal noise.
        """
        size, n = np.abs(residuals), len(residuals)
        spread = n / max(n - fitted, 1)  # the residuals of a fit are smaller than the noise
        pull = np.mean(self.influence(residuals) ** 2) * spread
        # few residuals are near zero or within a small delta: their density is taken in a wider window (Koenker 2005, 3.4)
        window = max(self.delta or 0, 1.06 * np.median(size) / 0.6745 * n**-0.2, 1e-300)
        if self.name == "lad":
            bend = 2 * np.mean(size < window) / (2 * window)
        else:
            bend = 2.0 if self.delta is None else np.mean(size < window) * self.delta / window
        return float(pull / max(bend, 1e-300))

    def _tilted(self, residuals: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return values of residuals, multiplied by ``overprediction`` where the curve is above its point."""
        return values if self.overprediction == 1 else np.where(residuals > 0, self.overprediction, 1.0) * values


@dataclass
class Regression:
    """Problems ``min_theta sum_i w_i loss(curve_i(theta) - y_i)``, one per row of a batch."""

    curve: Curve
    slopes: Slopes
    observed: np.ndarray  # y, (n,) for all problems or (m, n)
    objective: Objective
    penalty: Penalty | None = None  # added to the sums

    def minimise(self, starts: np.ndarray, weights: np.ndarray, steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
        """Minimise from ``starts`` (m, p); return the minima (m, p) and their sums (m,).

        :param weights: (m, n), or (1, n) for all problems. A resample is the count of each point.
        :param steps: largest number of steps of the search; few of them tell good starts from poor ones.
        """
        size = len(starts)
        weights = np.broadcast_to(weights, (size, self.observed.shape[-1]))
        step = max(1, CHUNK // max(self.observed.shape[-1], 1))
        theta, value = np.array(starts, dtype=float), np.empty(size)

        def solve(first: int) -> None:
            rows = np.arange(first, min(first + step, size))
            with np.errstate(all="ignore"):  # a step that is too long overflows, and is shortened
                theta[rows], value[rows] = self._batch(theta[rows], weights[rows], rows, steps)

        chunks = range(0, size, step)
        if len(chunks) < 2:
            list(map(solve, chunks))
        else:  # NumPy computes outside Python's lock, so that threads share the work; a chunk depends on no other
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(solve, chunks))
        return theta, value

    def value(self, theta: np.ndarray, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the sums (m,); infinite where the curve is not a number."""
        with np.errstate(all="ignore"):
            losses = self.objective.losses(self._residuals(self.curve(theta, rows), rows))
            sums = np.einsum("mn,mn->m", weights, losses)
            if self.penalty:
                sums = sums + self.penalty(theta, rows)[0]
        return np.where(np.isfinite(sums), sums, np.inf)

    def _batch(self, theta: np.ndarray, weights: np.ndarray, rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        if not theta.shape[1]:  # every parameter is given
            return theta, self.value(theta, weights, rows)
        if self.objective.name != "lad":
            return _bfgs(self, theta, weights, rows, steps)
        spread = np.median(np.abs(self._residuals(self.curve(theta, rows), rows)))
        for share in LAD_DELTAS:
            smooth = copy(self)
            smooth.objective = replace(self.objective, name="huber", delta=max(share * spread, 1e-12))
            theta, _ = _bfgs(smooth, theta, weights, rows, steps)
        return theta, self.value(theta, weights, rows)

    def _residuals(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        observed = self.observed[rows] if self.observed.ndim == 2 else self.observed
        return np.log(values) - np.log(observed) if self.objective.logs else values - observed

    def model(self, theta: np.ndarray, weights: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the residuals (m, n), their Jacobian (m, n, p) and the gradient of the sums (m, p)."""
        values, jacobian = self.slopes(theta, rows)
        if self.objective.logs:
            jacobian = jacobian / values[..., None]
        residuals = self._residuals(values, rows)
        pull = weights * self.objective.influence(residuals)
        gradient = np.matmul(pull[:, None, :], jacobian)[:, 0]
        return residuals, jacobian, gradient + self.penalty(theta, rows)[1] if self.penalty else gradient


def _bfgs(problem: Regression, theta: np.ndarray, weights: np.ndarray, rows: np.ndarray, steps: int):
    """Minimise a batch by BFGS with a backtracking line search (Nocedal and Wright, *Numerical Optimization*, ch. 3 and
    6).

    The first inverse Hessian is that of iterated least squares, so that steps do not depend on the units of the
    parameters. If a later step improves the value by less than a share of 1e-9, the inverse Hessian is reset to it; if
    the first step after that does not improve the value either, the problem is done.
    """
    theta = theta.copy()
    value = problem.value(theta, weights, rows)
    residuals, jacobian, gradient = problem.model(theta, weights, rows)
    inverse = _least_squares(problem, theta, residuals, jacobian, weights, rows)
    fresh = np.ones(len(theta), dtype=bool)  # its inverse Hessian is that of least squares
    active = np.flatnonzero(np.isfinite(value) & np.isfinite(gradient).all(axis=1))
    # smallest improvement that counts: that of a residual far below any noise
    floor = 1e-9 * (problem.objective.delta or 1e-6) ** 2
    for _ in range(steps):
        if not len(active):
            break
        step = -np.matmul(inverse[active], gradient[active][:, :, None])[:, :, 0]
        # in log parameters, a longer step leaves the plausible range
        step *= np.minimum(1, 3 / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        length, after = _line_search(
            problem, theta[active], step, value[active], gradient[active], weights[active], rows[active]
        )
        moved = length[:, None] * step
        stalled = value[active] - after <= 1e-9 * after + floor
        theta[active] += moved
        value[active] = after
        done = stalled & fresh[active]
        moved, stalled, active = moved[~done], stalled[~done], active[~done]
        if not len(active):
            break
        residuals, jacobian, slope = problem.model(theta[active], weights[active], rows[active])
        change = slope - gradient[active]
        gradient[active] = slope
        bent = (np.einsum("mi,mi->m", moved, change) > 1e-300) & ~stalled
        inverse[active[bent]] = _update_inverse(inverse[active[bent]], moved[bent], change[bent])
        fresh[active] = False
        if stalled.any():
            restarted = active[stalled]
            inverse[restarted] = _least_squares(
                problem, theta[restarted], residuals[stalled], jacobian[stalled], weights[restarted], rows[restarted]
            )
            fresh[restarted] = True
        active = active[np.isfinite(slope).all(axis=1)]
    return theta, value


def _least_squares(
    problem: Regression,
    theta: np.ndarray,
    residuals: np.ndarray,
    jacobian: np.ndarray,
    weights: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:
    """Return the inverses (m, p, p) of the Hessians of iterated least squares, damped if they are singular."""
    curvature = (weights * problem.objective.curvature(residuals))[:, :, None]
    hessian = np.matmul(jacobian.transpose(0, 2, 1), curvature * jacobian)
    if problem.penalty:
        hessian += problem.penalty(theta, rows)[2]
    diagonal = np.einsum("mii->mi", hessian)
    # the column of a diverging parameter is nearly 0; scaled up, it would take up the whole step
    floor = 1e-12 * diagonal.max(axis=1, keepdims=True)
    scale = np.sqrt(np.where(diagonal > floor, diagonal, np.where(floor > 0, floor, 1)))
    hessian = hessian / (scale[:, :, None] * scale[:, None, :])
    hessian = np.where(np.isfinite(hessian), hessian, 0) + 1e-8 * np.eye(hessian.shape[-1])
    return np.linalg.pinv(hessian, hermitian=True) / (scale[:, :, None] * scale[:, None, :])


def _update_inverse(inverse: np.ndarray, moved: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Update inverse Hessians by BFGS (eq. 6.17)."""
    product = np.einsum("mi,mi->m", moved, change)[:, None, None]
    left = np.eye(moved.shape[1]) - moved[:, :, None] * change[:, None, :] / product
    return left @ inverse @ left.transpose(0, 2, 1) + moved[:, :, None] * moved[:, None, :] / product


def _line_search(problem, theta, step, value, gradient, weights, rows):
    """Return, for each row, the first of the lengths 1, 1/2, 1/4, ... with sufficient decrease (eq. 3.4), or 0; and the
    values there.
    """
    slope = np.einsum("mi,mi->m", step, gradient)
    length, after = np.zeros(len(theta)), value.copy()
    search = np.arange(len(theta))
    for halvings in range(25):
        trial = 0.5**halvings
        trial_value = problem.value(theta[search] + trial * step[search], weights[search], rows[search])
        enough = trial_value <= value[search] + 1e-4 * trial * np.minimum(slope[search], 0)
        length[search[enough]], after[search[enough]] = trial, trial_value[enough]
        search = search[~enough]
        if not len(search):
            break
    return length, after
