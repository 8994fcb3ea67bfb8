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
    """BFGS with a backtracking line search (Nocedal & Wright, *Numerical Optimization*, ch. 3 and 6), on a batch.

    :param objective: theta (k, p), rows (k,) -> values (k,) and gradients (k, p).
    :param starts: (m, p).
    :param tolerance: a problem is done once a step improves its value by less than this share, also from the steepest descent.
    :returns: the minima (m, p) and their values (m,).
    """
    theta = np.array(starts, dtype=float)
    identity = np.eye(theta.shape[1])
    active = np.arange(len(theta))
    value, gradient = objective(theta, active)
    inverse = (
        np.repeat(identity[None], len(theta), axis=0) / np.maximum(np.linalg.norm(gradient, axis=1), 1e-300)[:, None, None]
    )
    fresh = np.ones(len(theta), dtype=bool)  # the inverse Hessian is a multiple of the identity
    for _ in range(iterations):
        if not len(active):
            break
        step = -np.einsum("mij,mj->mi", inverse[active], gradient[active])
        # a step in log parameters beyond this leaves every plausible region
        step *= np.minimum(1, 5 / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        length, new_value, new_gradient = _line_search(objective, theta[active], step, value[active], gradient[active], active)
        moved = length[:, None] * step
        change = new_gradient - gradient[active]
        gain = value[active] - new_value
        theta[active] += moved
        value[active], gradient[active] = new_value, new_gradient

        curvature = np.einsum("mi,mi->m", moved, change)
        update = curvature > 1e-14
        stalled = gain <= tolerance * new_value + 1e-13
        finished = stalled & fresh[active]
        restart = stalled & ~fresh[active]
        rows = active[update & ~restart]
        s, y, sy = moved[update & ~restart], change[update & ~restart], curvature[update & ~restart]
        scale = np.where(fresh[rows], sy / np.einsum("mi,mi->m", y, y), 1)
        left = identity - np.einsum("mi,mj->mij", s, y) / sy[:, None, None]
        base = np.where(fresh[rows][:, None, None], scale[:, None, None] * identity, inverse[rows])
        inverse[rows] = left @ base @ left.transpose(0, 2, 1) + np.einsum("mi,mj->mij", s, s) / sy[:, None, None]
        fresh[rows] = False
        lost = active[restart]
        norm = np.maximum(np.linalg.norm(gradient[lost], axis=1), 1e-300)
        inverse[lost] = identity / norm[:, None, None]
        fresh[lost] = True
        active = active[~finished]
    return theta, value


def _line_search(objective, theta, step, value, gradient, rows):
    """The first of the lengths 1, 1/2, 1/4, ... with enough decrease, for each row; 0 where none has."""
    slope = np.einsum("mi,mi->m", step, gradient)
    length = np.zeros(len(theta))
    new_value, new_gradient = value.copy(), gradient.copy()
    search = np.arange(len(theta))
    trial = 1.0
    for _ in range(20):
        found_value, found_gradient = objective(theta[search] + trial * step[search], rows[search])
        enough = found_value <= value[search] + 1e-4 * trial * slope[search]
        hit = search[enough]
        length[hit], new_value[hit], new_gradient[hit] = trial, found_value[enough], found_gradient[enough]
        search = search[~enough]
        if not len(search):
            break
        trial /= 2
    return length, new_value, new_gradient
