"""Quadratic surfaces through runs near the best one, for many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SINGULAR = 1e-9  # smallest eigenvalue of a normal matrix with unit diagonal that determines its coefficients


@dataclass(frozen=True)
class SurfaceMinimum:
    """Minima of surfaces; NaN for a surface without one between its points."""

    place: np.ndarray  # (m, d)
    value: np.ndarray  # (m,)
    curvature: np.ndarray  # (m,), along the flattest direction; NaN if too few points have weight


class Surface:
    """A surface ``value = c + g x + x H x / 2`` over d coordinates, fitted by least squares."""

    def __init__(self, coordinates: np.ndarray, values: np.ndarray) -> None:
        """Scale coordinates (n, d) around the point with the lowest of the values (n,)."""
        self.values = values
        self.centre = coordinates[values.argmin()]
        self.reach = np.maximum(np.abs(coordinates - self.centre).max(axis=0), 1e-300)
        at = (coordinates - self.centre) / self.reach
        self.low, self.high = at.min(axis=0), at.max(axis=0)
        self.pairs = np.triu_indices(at.shape[1])
        products = at[:, self.pairs[0]] * at[:, self.pairs[1]]
        self.design = np.concatenate([np.ones((len(at), 1)), at, products], axis=1)

    @property
    def inner(self) -> np.ndarray:
        """A mask (d,) of the coordinates along which the lowest point has others on both sides."""
        return (self.low < 0) & (self.high > 0)

    def minimum(self, weights: np.ndarray) -> SurfaceMinimum:
        """Return the minimum for each row of weights (m, n). It must lie within the range of all points, drawn or not."""
        d = len(self.centre)
        coefficients = least_squares(self.design, self.values, weights)
        slope = coefficients[:, 1 : 1 + d]
        hessian = np.zeros((len(coefficients), d, d))
        hessian[:, self.pairs[0], self.pairs[1]] = np.nan_to_num(coefficients[:, 1 + d :])
        hessian += hessian.transpose(0, 2, 1)
        curvature = np.where(np.isnan(coefficients[:, 0]), np.nan, np.linalg.eigvalsh(hessian)[:, 0])
        upward = curvature > 0
        place = -np.linalg.solve(np.where(upward[:, None, None], hessian, np.eye(d)), slope[:, :, None])[:, :, 0]
        value = coefficients[:, 0] + np.einsum("mi,mi->m", slope, place) / 2
        between = upward & ((self.low < place) & (place < self.high)).all(axis=1)
        place = self.centre + self.reach * place
        return SurfaceMinimum(np.where(between[:, None], place, np.nan), np.where(between, value, np.nan), curvature)

    def at(self, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the value (m,) of the surface at a place (m, d) for each row of weights (m, n); NaN if undetermined."""
        coefficients = least_squares(self.design, self.values, weights)
        at = (places - self.centre) / self.reach
        products = at[:, self.pairs[0]] * at[:, self.pairs[1]]
        return np.einsum("mi,mi->m", coefficients, np.concatenate([np.ones((len(at), 1)), at, products], axis=1))

    def covers(self, places: np.ndarray) -> np.ndarray:
        """Return a mask (m,) of the places (m, d) within the range of the points."""
        at = (places - self.centre) / self.reach
        return ((self.low <= at) & (at <= self.high)).all(axis=1)


def least_squares(design: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return coefficients (m, p) for a design (n, p), targets (n,) or (m, n) and weights (m, n); NaN if they are not
    determined.
    """
    normal = np.einsum("mn,ni,nj->mij", weights, design, design, optimize=True)
    scale = np.sqrt(np.maximum(np.einsum("mii->mi", normal), 1e-300))
    normal /= scale[:, :, None] * scale[:, None, :]
    solvable = np.linalg.eigvalsh(normal)[:, 0] > SINGULAR
    normal[~solvable] = np.eye(design.shape[1])
    right = (weights * targets) @ design / scale
    return np.where(solvable[:, None], np.linalg.solve(normal, right[:, :, None])[:, :, 0] / scale, np.nan)
