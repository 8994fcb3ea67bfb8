"""95 % intervals: by the bootstrap (Efron and Tibshirani 1993, ch. 13 and 14), and by profile likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.laws.curve_regression import CurveRegression
from openr1.analysis.laws.regression import CurveLaw

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law

LEVEL = 0.95
TAILS = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
NARROW = 1e-9  # relative width of an interval that is rounding
SIDES = np.array([-1.0, 1.0])
BISECTIONS = 25  # bisections of a step that is at most 1.6 times too long


def widening_factor(law: Law, frame: pd.DataFrame, runs: int) -> float:
    """Return the factor by which to widen intervals of least squares, whose resampled residuals are smaller than the
    noise.

    It is sqrt(n / (n - p) g / (g - 1)) for n points of g runs and p parameters, as in the HC1 standard error (MacKinnon
    and White 1985). For Huber's and the absolute loss it is 1: in small studies their resamples vary too much by about this
    factor. A law of budgets adds the scatter of these itself. ``tests/benchmarks/coverage.py`` measures both.
    """
    if not isinstance(law, CurveLaw) or law.loss.name not in ("log_mse", "mse"):
        return 1.0
    points, parameters = len(frame), len(law.free(frame))
    return float(np.sqrt(points / max(points - parameters, 1) * runs / max(runs - 1, 1)))


def percentile_intervals(draws: np.ndarray, widen: float = 1.0) -> np.ndarray:
    """Return the ends (2, ...) of the central 95 % over the first axis, ``widen`` times as far out for normal draws."""
    from scipy.special import ndtr, ndtri

    with np.errstate(invalid="ignore"):  # between two infinite draws
        return _without_zero_width(np.quantile(draws, ndtr(widen * ndtri(TAILS)), axis=0))


def _without_zero_width(ends: np.ndarray) -> np.ndarray:
    """Return ends (2, ...) with NaN for intervals of no width but rounding: resamples that agree hold no scatter, which is no
    certainty.
    """
    with np.errstate(invalid="ignore"):
        return np.where(ends[1] - ends[0] <= NARROW * np.abs(ends).max(axis=0), np.nan, ends)


def bca_intervals(estimate: np.ndarray, draws: np.ndarray, left_out: np.ndarray, widen: float = 1.0) -> np.ndarray:
    """Return bias-corrected and accelerated ends (eq. 14.9 to 14.15).

    :param estimate: (...), of all points.
    :param draws: (m, ...), of the resamples.
    :param left_out: (g, ...), without each run in turn, whose skewness is the acceleration. NaN is ignored.
    :returns: (2, ...); percentiles if all draws are on one side of the estimate.
    """
    from scipy.special import ndtr, ndtri

    shape = np.shape(estimate)
    flat, drawn, jack = np.reshape(estimate, -1), draws.reshape(len(draws), -1), left_out.reshape(len(left_out), -1)
    ends = percentile_intervals(drawn, widen)
    with np.errstate(all="ignore"):
        bias = ndtri((np.mean(drawn < flat, axis=0) + np.mean(drawn <= flat, axis=0)) / 2)
        mean = np.nansum(jack, axis=0) / np.isfinite(jack).sum(axis=0)  # NaN if the law needs every run
        pull = mean - jack
        acceleration = np.nansum(pull**3, axis=0) / (6 * np.nansum(pull**2, axis=0) ** 1.5)
        reach = bias + widen * ndtri(TAILS)[:, None]
        levels = ndtr(bias + reach / (1 - np.nan_to_num(acceleration) * reach))
        for j in np.flatnonzero(np.isfinite(levels).all(axis=0)):
            ends[:, j] = np.quantile(drawn[:, j], np.sort(levels[:, j]))
    return _without_zero_width(ends.reshape(2, *shape))


def profile_intervals(
    law: CurveLaw, frame: pd.DataFrame, params: np.ndarray, allowed: float, names: Sequence[str]
) -> dict[str, list[float | None]]:
    """Return the ends of parameters at which the objective, minimised over all others, reaches ``allowed``.

    :param params: the estimate (1, p).
    :returns: name -> [low, high]; null for an open end, which is not reached within a factor of a million.
    """
    profile = LikelihoodProfile(law, frame, params)
    ends: dict[str, list[float | None]] = {}
    for name in names:
        # find both ends together: widen until the objective has risen enough, then bisect
        span = profile.span(name)
        inner, outer, step = np.zeros(2), np.full(2, np.nan), np.full(2, 1e-4 * span)
        start = np.repeat(params, 2, axis=0)
        while (np.isnan(outer) & (step < span)).any():
            values, optima = profile.at(name, SIDES * step, start)
            above = values > allowed
            outer = np.where(above & np.isnan(outer), step, outer)
            going = ~above & np.isnan(outer)
            inner[going], start[going] = step[going], optima[going]
            step = np.where(np.isnan(outer), step * 1.6, step)
        for _ in range(BISECTIONS):
            middle = (inner + np.where(np.isnan(outer), inner, outer)) / 2
            above = profile.at(name, SIDES * middle, start)[0] > allowed
            outer = np.where(above & ~np.isnan(outer), middle, outer)
            inner = np.where(above, inner, middle)
        ends[name] = [None if np.isnan(outer[i]) else float(profile.value(name, SIDES[i] * outer[i])) for i in (0, 1)]
    return ends


class LikelihoodProfile:
    """The objective as a function of one parameter, minimised over the others."""

    def __init__(self, law: CurveLaw, frame: pd.DataFrame, params: np.ndarray) -> None:
        self.law, self.points, self.fixed = law, law.points(frame).in_natural_units(), law.known(frame)
        self.estimate = dict(zip(law.names, params[0], strict=True))
        self.positive = {p.name: p.positive for p in law.parameters}

    def span(self, name: str) -> float:
        """Return the largest distance that is searched, in the coordinate of :meth:`value`."""
        return float(np.log(1e6)) if self.positive[name] else 1e3 * max(abs(self.estimate[name]), 1.0)

    def value(self, name: str, away: np.ndarray) -> np.ndarray:
        """Return the parameter at a distance from its estimate: of its logarithm if it is positive."""
        return self.estimate[name] * np.exp(away) if self.positive[name] else self.estimate[name] + away

    def at(self, name: str, away: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums (m,) and optima (m, p) with the parameter fixed at distances (m,), starting from ``start`` (m, p)."""
        problem = CurveRegression(self.law, self.points, {**self.fixed, name: self.value(name, away)}, len(away))
        problem.add_priors(problem.to_theta(np.array([[*self.estimate.values()]])))
        weights = np.broadcast_to(self.points.weights, (len(away), self.points.y.shape[-1]))
        theta, values = problem.minimise(problem.to_theta(start), weights)
        return values, problem.to_params(theta)


def likelihood_rise(law: CurveLaw, frame: pd.DataFrame, params: np.ndarray) -> float:
    """Return the rise of the sum above its minimum at the ends of the profile-likelihood interval of one parameter.

    For squared residuals it is the likelihood ratio of normal noise with the scale of the fit. For Huber's and the
    absolute loss it is its robust version, whose rise is scaled by E[psi'] / E[psi^2] (Heritier and Ronchetti 1994).
    """
    from scipy.special import ndtri

    quantile = ndtri(TAILS[1]) ** 2  # quantile of chi squared with one degree of freedom
    return quantile / 2 * law.loss.scale(-law.residuals(params, frame), len(law.free(frame)))
