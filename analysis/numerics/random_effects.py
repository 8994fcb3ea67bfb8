"""Scatter of estimates about a line beyond their own variances (random effects; DerSimonian and Laird 1986)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST = 3  # points whose scatter about a line can be told from their own variances
TAIL = 0.975


@dataclass(frozen=True)
class Scatter:
    """Scatter of points about a weighted line."""

    chi_squared: float  # sum of squared residuals over the variances of the points
    freedom: int  # degrees of freedom: points less the two of the line
    variance: float  # of the points beyond their own variances; 0 if these explain the scatter
    widening: float  # factor of normal 95 % intervals of the line, which take both variances as known

    @property
    def p_value(self) -> float:
        """The probability of as large a chi-squared if the variances of the points were all there is."""
        from scipy.special import chdtrc

        return float(chdtrc(self.freedom, self.chi_squared))


def scatter_about_line(x: np.ndarray, y: np.ndarray, variances: np.ndarray) -> Scatter | None:
    """Estimate the variance between points (n,) beyond their own by the method of moments of DerSimonian and Laird, with a
    line in place of the mean (Raudenbush 2009, eq. 16.21); null for fewer than three points, or if a variance is 0.

    The few residuals tell the variance of the line as Student's t does (Knapp and Hartung 2003), which never makes its interval
    narrower than the variances of the points do.
    """
    if len(x) < LEAST or not (variances > 0).all():
        return None
    design, freedom = np.stack([np.ones_like(x), x - x.mean()], axis=1), len(x) - 2

    def fit_line(weights: np.ndarray) -> tuple[float, np.ndarray]:
        gram = np.linalg.inv(design.T @ (weights[:, None] * design))
        residuals = y - design @ (gram @ (design.T @ (weights * y)))
        return float(np.sum(weights * residuals**2)), gram

    weights = 1 / variances
    chi_squared, gram = fit_line(weights)
    scale = weights.sum() - np.trace(gram @ (design.T @ (weights[:, None] ** 2 * design)))
    variance = max(0.0, float((chi_squared - freedom) / scale))
    left, _ = fit_line(1 / (variances + variance))
    return Scatter(chi_squared, freedom, variance, max(1.0, t_factor(freedom) * float(np.sqrt(left / freedom))))


def t_factor(freedom: int) -> float:
    """Return the quantile of Student's t of 95 % intervals, over that of the normal distribution."""
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(freedom, TAIL) / ndtri(TAIL))
