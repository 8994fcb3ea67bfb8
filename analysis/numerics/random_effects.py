"""Scatter of estimates about a line beyond their own variances (random effects; DerSimonian and Laird 1986)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 4  # points whose scatter about a line can be told from their own variances


@dataclass(frozen=True)
class Scatter:
    """Scatter of points about a weighted line."""

    chi_squared: float  # sum of squared residuals over the variances of the points
    freedom: int  # degrees of freedom: points less the two of the line
    variance: float  # of the points beyond their own variances; 0 if these explain the scatter

    @property
    def p_value(self) -> float:
        """The probability of as large a chi-squared if the variances of the points were all there is."""
        from scipy.special import chdtrc

        return float(chdtrc(self.freedom, self.chi_squared))


def scatter_about_line(x: np.ndarray, y: np.ndarray, variances: np.ndarray) -> Scatter | None:
    """Estimate the variance between points (n,) beyond their own by the method of moments of DerSimonian and Laird, with a
    line in place of the mean (Raudenbush 2009, eq. 16.21); null for fewer than four points, or if a variance is 0.
    """
    if len(x) < LEAST or not (variances > 0).all():
        return None
    weights = 1 / variances
    design = np.stack([np.ones_like(x), x - x.mean()], axis=1)
    gram = np.linalg.inv(design.T @ (weights[:, None] * design))
    residuals = y - design @ (gram @ (design.T @ (weights * y)))
    chi_squared, freedom = float(np.sum(weights * residuals**2)), len(x) - 2
    scale = weights.sum() - np.trace(gram @ (design.T @ (weights[:, None] ** 2 * design)))
    return Scatter(chi_squared, freedom, max(0.0, float((chi_squared - freedom) / scale)))
