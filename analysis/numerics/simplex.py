"""Minima of functions of shares that sum to 1, for many functions at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

CANDIDATES = 400  # largest number of points of the first screen
STEPS = 200  # steps of mirror descent
STEP = 1e-30  # size of the complex step

# shares (m, k, sources), rows (m,) of the functions -> values (m, k)
Function = Callable[[np.ndarray, np.ndarray], np.ndarray]


def minimise_on_simplex(function: Function, count: int, sources: int) -> np.ndarray:
    """Return the shares (count, sources) at the minimum of each of ``count`` functions.

    The best point of a grid is refined by mirror descent with the entropy (Beck and Teboulle 2003), whose steps multiply
    shares by ``exp(-step * slope)``, so that they stay positive; the step of each function adapts. Slopes are computed by
    the complex step. A share that tends to 0 ends below 1e-6, and is set to 0.

    :param function: of shares, real or complex.
    """
    every = np.arange(count)
    points = _grid(sources)
    values = np.concatenate([function(points[None, i : i + 50], every) for i in range(0, len(points), 50)], axis=1)
    shares = points[np.where(np.isfinite(values), values, np.inf).argmin(axis=1)]
    lowest, step = function(shares[:, None], every)[:, 0], np.ones(count)
    for _ in range(STEPS):
        slope = _slopes(function, shares, every)
        slope -= np.einsum("ms,ms->m", slope, shares)[:, None]
        length = step / np.maximum(np.abs(slope).max(axis=1), 1e-300)
        logs = np.log(np.maximum(shares, 1e-300)) - length[:, None] * slope
        moved = np.exp(logs - logs.max(axis=1, keepdims=True))
        moved /= moved.sum(axis=1, keepdims=True)
        after = function(moved[:, None], every)[:, 0]
        better = after < lowest
        shares[better], lowest[better] = moved[better], after[better]
        step = np.where(better, np.minimum(1.5 * step, 5), step / 3)
        if (step < 1e-9).all():
            break
    shares = np.where(shares < 1e-6, 0, shares)
    return np.where(np.isfinite(lowest)[:, None], shares / shares.sum(axis=1, keepdims=True), np.nan)


def _slopes(function: Function, shares: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the derivatives (m, sources) by each share."""
    stepped = shares[:, None, :] + 1j * STEP * np.eye(shares.shape[1])
    return np.nan_to_num(function(stepped, rows).imag / STEP)


def _grid(sources: int) -> np.ndarray:
    """Return points (k, sources) inside the simplex: a lattice for few sources, otherwise random ones from a fixed seed."""
    levels = {2: 100, 3: 20, 4: 10}.get(sources)
    if levels is None:
        points = np.concatenate([np.random.default_rng(0).dirichlet(np.ones(sources), CANDIDATES), np.eye(sources)])
    else:
        counts = itertools.product(range(levels + 1), repeat=sources - 1)
        heads = np.array([head for head in counts if sum(head) <= levels]) / levels
        points = np.concatenate([heads, 1 - heads.sum(axis=1, keepdims=True)], axis=1)
    return 0.99 * points + 0.01 / sources
