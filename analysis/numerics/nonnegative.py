"""Least squares with coefficients that are not negative."""

from __future__ import annotations

import itertools

import numpy as np


def nonnegative_least_squares(design: np.ndarray, right: np.ndarray) -> np.ndarray:
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
