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


def minimise_on_simplex(function: Function, least: np.ndarray) -> np.ndarray:
    """Return the shares (functions, sources) at the minimum of each function.

    The best point of a grid is refined by mirror descent with the entropy (Beck and Teboulle 2003), whose steps multiply
    shares by ``exp(-step * slope)``, so that they stay positive; the step of each function adapts. Slopes are computed by
    the complex step. Then sources are left out, one by one, as long as that makes the value lower.

    :param function: of shares, real or complex.
    :param least: (functions, sources), the least share of each source that is not left out.
    """
    (count, sources), every = least.shape, np.arange(len(least))
    there = np.ones((count, sources), dtype=bool)
    floor = _floor(there, least)
    points = floor[:, None] + (1 - floor.sum(axis=1))[:, None, None] * _grid(sources)
    parts = [function(points[:, i : i + 50], every) for i in range(0, points.shape[1], 50)]
    values = np.concatenate(parts, axis=1)
    shares = points[every, np.where(np.isfinite(values), values, np.inf).argmin(axis=1)]
    shares, lowest = _descend(function, shares, there, least)
    for _ in range(sources - 1):
        without = np.where(np.eye(sources, dtype=bool), 0, shares[:, None])  # (count, left out, sources)
        without = without / np.maximum(without.sum(axis=-1, keepdims=True), 1e-300)
        values = np.where(there, function(without, every), np.inf)
        out = np.where(np.isfinite(values), values, np.inf).argmin(axis=1)
        better = values[every, out] < lowest
        if not better.any():
            break
        there[better, out[better]] = False
        shares[better] = without[better, out[better]]
        shares, lowest = _descend(function, shares, there, least)
    return np.where(np.isfinite(lowest)[:, None], shares, np.nan)


def _floor(there: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Return the least share (count, sources) of each source that is there, scaled down where they leave no room."""
    floor = np.where(there, least, 0)
    return floor / np.maximum(floor.sum(axis=1, keepdims=True) / 0.99, 1)


def _descend(function: Function, shares: np.ndarray, there: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Descend from shares (count, sources) without leaving the sources that are there; return the end and the values."""
    every, floor = np.arange(len(shares)), _floor(there, least)
    room = 1 - floor.sum(axis=1, keepdims=True)
    above = np.where(there, np.maximum((shares - floor) / room, 1e-12), 0)  # shares of the room above the floor
    above /= above.sum(axis=1, keepdims=True)
    shares = floor + room * above
    lowest, step = function(shares[:, None], every)[:, 0], np.ones(len(shares))
    for _ in range(STEPS):
        slope = _slopes(function, shares, every)
        slope -= np.einsum("ms,ms->m", slope, above)[:, None]
        length = step / np.maximum(np.abs(np.where(there, slope, 0)).max(axis=1), 1e-300)
        logs = np.where(there, np.log(np.maximum(above, 1e-300)) - length[:, None] * slope, -np.inf)
        moved = np.exp(logs - logs.max(axis=1, keepdims=True))
        moved /= moved.sum(axis=1, keepdims=True)
        after = function((floor + room * moved)[:, None], every)[:, 0]
        better = after < lowest
        above[better], lowest[better] = moved[better], after[better]
        shares = floor + room * above
        step = np.where(better, np.minimum(1.5 * step, 5), step / 3)
        if (step < 1e-9).all():
            break
    return shares, lowest


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
