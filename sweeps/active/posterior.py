"""The posterior given finished runs: draws of the law and of its discrepancy, by an affine-invariant ensemble sampler.

No law is exact, and small runs are cheap. If a law were exact, hundreds of the smallest runs would reduce the uncertainty most,
although they say little about large ones. So a response is the law, its *discrepancy*, which nearby runs share, and noise
(Kennedy and O'Hagan, J. R. Stat. Soc. B 63, 425, 2001):

    y_i = law(x_i; parameters) + tau d(x_i) + s e_i

of the logarithm of the response, unless the law's objective is ``mse``; d is a Gaussian process of unit variance with the
correlation ``exp(-|log x_i - log x_j|^2 / 2 reach^2)``, and e is normal. The parameters, tau and s are sampled jointly.

- *Prior*: log-normal. The range of starts of an exponent is its central 95 %. A term in which the curve is linear is, at the
  geometric mean of the predictors, a third of the response within a factor of 50. The median of tau is an option, within
  a factor of 4; that of s is 0.3 %, within a factor of 30.
- *Sampler*: stretch moves (Goodman and Weare, Comm. App. Math. Comp. Sci. 5, 65, 2010) that start near the optima of many
  starts. With as few runs as a study begins with, the parameters lie on a bent ridge, where intervals from the curvature at
  the estimate, or from resamples, are misleading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from openr1.analysis.laws import Parameter
from openr1.analysis.laws.curve_regression import CurveRegression
from openr1.analysis.laws.regression import REFINED
from openr1.sweeps.active.pool import Pool

WALKERS = 64
STEPS = 300  # of each walker, of which the first half is discarded
EVERY = 10  # steps between two draws that are kept
STRETCH = 2.0
DISCREPANCY = np.log(4) / 2  # standard deviation of log tau
EXACT = 1e-6  # the discrepancy of an exact law
NOISE = (0.003, np.log(30) / 2)  # of s: the median, as a share of the response, and the standard deviation of log s
LINEAR = (1 / 3, np.log(50) / 2)  # the same of a linear term


@dataclass(frozen=True)
class Posterior:
    """The posterior of the responses of all n rows of a pool, runs before targets; of their logarithms where residuals are.

    :ivar laws: (m, n) draws of the law alone.
    :ivar mean: (n,) mean of the law with its discrepancy.
    :ivar covariance: (n, n) covariance of the same.
    :ivar noise: variance of a run's response about it.
    """

    laws: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    noise: float

    @property
    def law_covariance(self) -> np.ndarray:
        """The covariance (n, n) of the law alone."""
        return _covariance(self.laws)


def sample_posterior(
    pool: Pool, chosen: np.ndarray, rng: np.random.Generator, discrepancy: float = 0.01, reach: float = 2.3
) -> Posterior:
    """Sample the posterior given finished runs, by their indices.

    :param discrepancy: the prior median of tau, as a share of the response; 0 for an exact law.
    :param reach: length scale of the discrepancy in the logarithm of the predictors.
    """
    correlation = _correlation(pool, reach)
    density = _Density(pool, chosen, correlation[np.ix_(chosen, chosen)], max(discrepancy, EXACT))
    draws = _sample(density, density.starts(rng), rng)
    theta, tau, s = draws[:, :-2], np.exp(2 * draws[:, -2]), np.exp(2 * draws[:, -1])
    with np.errstate(all="ignore"):
        values = pool.problem().curve(theta, np.zeros(len(theta), dtype=int))
        laws = np.log(values) if pool.law.loss.logs else values
    good = np.isfinite(laws).all(axis=1)
    laws, tau, s = laws[good], tau[good, None], s[good, None]
    # for each draw, the discrepancy given the residuals of the runs, and its remaining covariance
    observed = pool.observed(chosen)
    residuals = (np.log(observed) if pool.law.loss.logs else observed) - laws[:, chosen]
    share = tau / (tau * density.values + s)
    to_all = density.vectors.T @ correlation[chosen]
    means = laws + (residuals @ density.vectors * share) @ to_all
    remaining = tau.mean() * correlation - to_all.T @ (to_all * np.mean(tau * share, axis=0)[:, None])
    return Posterior(laws, means.mean(axis=0), _covariance(means) + remaining, float(np.median(s)))


def _covariance(draws: np.ndarray) -> np.ndarray:
    centred = draws - draws.mean(axis=0)
    return centred.T @ centred / (len(draws) - 1)


def _correlation(pool: Pool, reach: float) -> np.ndarray:
    """Return the correlations (n, n) of the discrepancy at all rows of a pool."""
    logs = np.log(np.stack(list(vars(pool.points.x).values()), axis=1))
    squares = np.sum((logs[:, None] - logs[None]) ** 2, axis=-1)
    return np.exp(-squares / (2 * reach**2))


class _Density:
    """The log density of the posterior in the fitted coordinates of the parameters and, last, log tau and log s."""

    def __init__(self, pool: Pool, chosen: np.ndarray, correlation: np.ndarray, discrepancy: float) -> None:
        self.problem: CurveRegression = pool.problem(chosen)
        self.logs = pool.law.loss.logs
        values, self.vectors = np.linalg.eigh(correlation)
        self.values = np.maximum(values, 0)
        typical = float(np.median(self.problem.observed))
        unit = 1.0 if self.logs else typical
        priors = [_prior(p, typical) for p in self.problem.free]
        priors += [(np.log(median * unit), deviation) for median, deviation in ((discrepancy, DISCREPANCY), NOISE)]
        self.centre, self.deviation = np.array(priors).T

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Return log densities (m,) up to a constant; minus infinity where the curve is not a number."""
        with np.errstate(all="ignore"):
            residuals = self.residuals(theta[:, :-2])
            variances = np.exp(2 * theta[:, -2:-1]) * self.values + np.exp(2 * theta[:, -1:])
            likelihood = -0.5 * np.sum((residuals @ self.vectors) ** 2 / variances + np.log(variances), axis=1)
            density = likelihood - 0.5 * np.sum(((theta - self.centre) / self.deviation) ** 2, axis=1)
        return np.where(np.isfinite(density), density, -np.inf)

    def residuals(self, theta: np.ndarray) -> np.ndarray:
        values = self.problem.curve(theta, np.zeros(len(theta), dtype=int))
        return np.log(self.problem.observed / values) if self.logs else self.problem.observed - values

    def starts(self, rng: np.random.Generator) -> np.ndarray:
        """Draw walkers (WALKERS, p + 2) near the optima of many starts, more of them near the more probable ones."""
        problem = self.problem
        fixed: Any = problem.fixed  # of which starts reads the names only
        ends = problem.screen_starts(problem.law.starts(problem.points, fixed), problem.points.weights, REFINED)
        ends, _ = problem.minimise(ends, problem.points.weights[None])
        # an optimum of the likelihood at infinity is none of the posterior
        low, high = self.centre - 2 * self.deviation, self.centre + 2 * self.deviation
        ends = np.clip(ends, low[:-2], high[:-2])
        theta = np.concatenate([ends, np.broadcast_to(self.centre[-2:], (len(ends), 2))], axis=1)
        density = self(theta)
        share = np.exp(0.5 * (density - density.max()))
        picked = theta[rng.choice(len(theta), WALKERS, p=share / share.sum())]
        walkers = picked + 0.1 * self.deviation * rng.standard_normal(picked.shape)
        return np.where(np.isfinite(self(walkers))[:, None], walkers, picked)


def _prior(parameter: Parameter, typical: float) -> tuple[float, float]:
    """Return the centre and standard deviation in the fitted coordinate."""
    low, high = parameter.starts
    if parameter.linear:
        return (np.log(LINEAR[0] * typical), LINEAR[1]) if parameter.positive else (0.0, typical)
    if parameter.positive:
        low, high = np.log(low), np.log(high)
    return (low + high) / 2, (high - low) / 4


def _sample(density: _Density, walkers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sample (m, p): every ``EVERY``-th state of all walkers over the second half of the steps."""
    count, size = walkers.shape
    walkers, value = walkers.copy(), density(walkers)
    halves = np.arange(count).reshape(2, -1)
    kept = []
    for step in range(STEPS):
        for moving, fixed in (halves, halves[::-1]):
            stretch = ((STRETCH - 1) * rng.random(len(moving)) + 1) ** 2 / STRETCH
            partners = walkers[rng.choice(fixed, len(moving))]
            proposed = partners + stretch[:, None] * (walkers[moving] - partners)
            proposed_value = density(proposed)
            accepted = np.log(rng.random(len(moving))) < (size - 1) * np.log(stretch) + proposed_value - value[moving]
            walkers[moving[accepted]], value[moving[accepted]] = proposed[accepted], proposed_value[accepted]
        if step >= STEPS // 2 and step % EVERY == 0:
            kept.append(walkers.copy())
    return np.concatenate(kept)
