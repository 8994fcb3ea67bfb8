"""A quantity that rises as a power and then saturates, fitted to the logarithms of a few values for many resamples at once."""

from __future__ import annotations

import numpy as np

GRID, ZOOMS = 41, 4  # points along each axis of the search, and how often it is repeated nearer to the best
STEEPNESS = (0.05, 8.0)
REACH = np.log(30)  # of C_half beyond the values, in logarithms


def saturation(log_x: np.ndarray, top: np.ndarray, half: np.ndarray, steepness: np.ndarray) -> np.ndarray:
    """Return ``log(top/(1 + (half/x)^steepness))``."""
    return np.log(top) - np.logaddexp(0, steepness * (np.log(half) - log_x))


def fit_saturation(log_x: np.ndarray, log_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit by least squares of logarithms.

    ``top`` is the mean residual for any other two, which are searched on a grid that is repeated nearer to the best.

    :param log_x: (n,).
    :param log_y: (m, n); NaN for a value that is not known.
    :returns: top, half and steepness (m, 3), NaN for fewer than four values, and the sums (m,) of squares.
    """
    there = np.isfinite(log_y)
    count = np.maximum(there.sum(axis=1), 1)[:, None, None]
    y = np.where(there, log_y, 0)
    low = np.tile([log_x.min() - REACH, np.log(STEEPNESS[0])], (len(y), 1))
    high = np.tile([log_x.max() + REACH, np.log(STEEPNESS[1])], (len(y), 1))
    rows, grid = np.arange(len(y)), np.linspace(0, 1, GRID)
    params, best = np.empty((len(y), 3)), np.empty(len(y))
    for _ in range(ZOOMS):
        half = low[:, :1] + (high - low)[:, :1] * grid
        steep = low[:, 1:] + (high - low)[:, 1:] * grid
        total, square = np.zeros((len(y), GRID, GRID)), np.zeros((len(y), GRID, GRID))
        for place, x in enumerate(log_x):
            bend = np.logaddexp(0, np.exp(steep)[:, None, :] * (half[:, :, None] - x))
            value = (y[:, place, None, None] + bend) * there[:, place, None, None]
            total += value
            square += value**2
        squares = square - total**2 / count
        i, j = np.unravel_index(squares.reshape(len(y), -1).argmin(axis=1), (GRID, GRID))
        params = np.stack([np.exp(total[rows, i, j] / count[:, 0, 0]), np.exp(half[rows, i]), np.exp(steep[rows, j])], axis=1)
        best = squares[rows, i, j]
        step = (high - low) / (GRID - 1)
        at = np.stack([half[rows, i], steep[rows, j]], axis=1)
        low, high = np.maximum(low, at - step), np.minimum(high, at + step)
    few = there.sum(axis=1) < 4
    params[few], best[few] = np.nan, np.nan
    return params, np.maximum(best, 0)
