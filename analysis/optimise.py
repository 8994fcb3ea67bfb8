"""Robust regression of many small problems at once: every start and every bootstrap resample is one row of an array.

A scaling law has a handful of parameters and tens to hundreds of runs, so that a solver called a thousand times spends its
time on overhead. Here all problems take their BFGS steps together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# theta (m, p), rows (m,) -> values (m, n) and derivatives (m, n, p); rows says which problems of the batch these are
Curve = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def huber(residuals: np.ndarray, delta: float) -> np.ndarray:
    """Huber's loss: quadratic up to ``delta``, linear beyond."""
    size = np.abs(residuals)
    return np.where(size <= delta, residuals**2 / 2, delta * (size - delta / 2))


def robust_fit(
    curve: Curve, starts: np.ndarray, observed: np.ndarray, weights: np.ndarray, delta: float
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise ``sum_i w_i huber(curve_i(theta) - y_i)`` for each row of a batch.

    :param starts: (m, p).
    :param observed: y, (n,) for all problems or (m, n).
    :param weights: (m, n), or (1, n) for all problems. A resample is the count of each run.
    :returns: theta (m, p) and the sums (m,).
    """
    observed, weights = (np.broadcast_to(array, (len(starts), array.shape[-1])) for array in (observed, weights))

    def objective(theta: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, jacobian = curve(theta, rows)
        residuals = values - observed[rows]
        pull = weights[rows] * np.clip(residuals, -delta, delta)
        # in units of delta^2, so that tolerances mean the same for every delta
        value = np.sum(weights[rows] * huber(residuals, delta), axis=1) / delta**2
        return value, np.einsum("mn,mnp->mp", pull, jacobian) / delta**2

    theta, value = minimise(objective, starts)
    return theta, value * delta**2


def minimise(
    objective: Curve, starts: np.ndarray, iterations: int = 300, tolerance: float = 1e-9
) -> tuple[np.ndarray, np.ndarray]:
    """BFGS with a backtracking line search (Nocedal and Wright, *Numerical Optimization*, ch. 3 and 6), on a batch.

    A problem is done when a step along the steepest descent improves its value by less than the share ``tolerance``; when a
    BFGS step does not, its curvature is forgotten and steepest descent is tried.

    :param objective: theta (k, p), rows (k,) -> values (k,), at least 0, and gradients (k, p).
    :param starts: (m, p).
    :returns: the minima (m, p) and their values (m,).
    """
    theta = np.array(starts, dtype=float)
    active = np.arange(len(theta))
    value, gradient = objective(theta, active)
    inverse = _steepest(gradient)  # of the Hessian
    fresh = np.ones(len(theta), dtype=bool)  # it holds no curvature yet
    for _ in range(iterations):
        step = -np.einsum("mij,mj->mi", inverse[active], gradient[active])
        # in log parameters, a longer step leaves everything that is plausible
        step *= np.minimum(1, 5 / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        length, after, slope = _line_search(objective, theta[active], step, value[active], gradient[active], active)
        moved, change = length[:, None] * step, slope - gradient[active]
        stalled = value[active] - after <= tolerance * after + 1e-13
        theta[active] += moved
        value[active], gradient[active] = after, slope

        bent = (np.einsum("mi,mi->m", moved, change) > 1e-14) & ~stalled
        rows = active[bent]
        inverse[rows] = _updated(inverse[rows], fresh[rows], moved[bent], change[bent])
        restarted = active[stalled & ~fresh[active]]
        active = active[~(stalled & fresh[active])]
        inverse[restarted] = _steepest(gradient[restarted])
        fresh[rows], fresh[restarted] = False, True
        if not len(active):
            break
    return theta, value


def _steepest(gradient: np.ndarray) -> np.ndarray:
    """Inverse Hessians whose step is along the gradient and of length one."""
    norm = np.maximum(np.linalg.norm(gradient, axis=1), 1e-300)
    return np.eye(gradient.shape[1]) / norm[:, None, None]


def _updated(inverse: np.ndarray, fresh: np.ndarray, moved: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The BFGS update; a fresh inverse Hessian is scaled to the curvature first (eq. 6.20)."""
    identity = np.eye(moved.shape[1])
    product = np.einsum("mi,mi->m", moved, change)
    scaled = (product / np.einsum("mi,mi->m", change, change))[:, None, None] * identity
    inverse = np.where(fresh[:, None, None], scaled, inverse)
    left = identity - np.einsum("mi,mj->mij", moved, change) / product[:, None, None]
    return left @ inverse @ left.transpose(0, 2, 1) + np.einsum("mi,mj->mij", moved, moved) / product[:, None, None]


def _line_search(objective, theta, step, value, gradient, rows):
    """Of the lengths 1, 1/2, 1/4, ... the first with enough decrease (eq. 3.4), for each row; 0 where none has."""
    slope = np.einsum("mi,mi->m", step, gradient)
    length = np.zeros(len(theta))
    new_value, new_gradient = value.copy(), gradient.copy()
    search = np.arange(len(theta))
    for halvings in range(20):
        trial = 0.5**halvings
        found_value, found_gradient = objective(theta[search] + trial * step[search], rows[search])
        enough = found_value <= value[search] + 1e-4 * trial * slope[search]
        hit = search[enough]
        length[hit], new_value[hit], new_gradient[hit] = trial, found_value[enough], found_gradient[enough]
        search = search[~enough]
        if not len(search):
            break
    return length, new_value, new_gradient
