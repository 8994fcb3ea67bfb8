"""Rules that choose the next runs within an allowance: by their information about the targets, and rules to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openr1.sweeps.active.options import ActiveOptions
from openr1.sweeps.active.pool import Pool, least_runs
from openr1.sweeps.active.posterior import Posterior, sample_posterior

FIRST_SHARE = 0.01  # of the FLOPs of all candidates: the most that the first runs may cost


@dataclass
class State:
    """The state of a choice: the runs that are done, and the source of randomness."""

    pool: Pool
    options: ActiveOptions
    done: list[int]
    rng: np.random.Generator
    _posterior: tuple[int, Posterior] | None = None  # with the number of runs that it is of

    @property
    def spent(self) -> float:
        return float(self.pool.costs[self.done].sum())

    def affordable(self, allowance: float, chosen: list[int]) -> np.ndarray:
        """Return the indices of the runs that are neither done nor in ``chosen`` and cost at most ``allowance``."""
        free = self.pool.costs <= allowance
        free[[*self.done, *chosen]] = False
        return np.flatnonzero(free)

    def posterior(self) -> Posterior:
        """Return the posterior given the runs that are done."""
        if self._posterior is None or self._posterior[0] != len(self.done):
            options = self.options
            posterior = sample_posterior(self.pool, np.array(self.done), self.rng, options.discrepancy, options.reach)
            self._posterior = len(self.done), posterior
        return self._posterior[1]


# state, FLOPs that may be spent now, FLOPs that may be spent in total, most runs -> indices of runs in the order of choice
Chooser = Callable[[State, float, float, int], list[int]]


def active(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Choose the runs that reduce the expected variance of the prediction at the targets most for their FLOPs, one by one.

    A run j takes ``sum_t cov(t, j)^2 / (cov(j, j) + s^2)`` off the variance at the targets t (Seo et al., IJCNN 2000, eq. 8:
    Cohn's criterion for a Gaussian process), and leaves the covariance that a rank-one update gives, so that the next run of a
    batch is chosen as if this one were done. If the best run is too expensive for now, but not in total,
    FLOPs are saved for it.
    """
    return _choose_greedily(state, allowance, horizon, most, _variance_reduction)


def d_optimal(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Choose the runs that reduce the volume of the posterior of the law's parameters most for their FLOPs.

    ``log(1 + cov(j, j) / s^2)`` of the law alone, the greedy form of D-optimality (Wald 1943; Fedorov 1972).
    """
    return _choose_greedily(state, allowance, horizon, most, _information)


def cheapest(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Choose the runs of the fewest FLOPs first."""
    return _choose_until_spent(state, allowance, allowance, most, lambda free, _: free[np.argmin(state.pool.costs[free])])


def at_random(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Choose uniformly among the runs that are affordable now."""
    return _choose_until_spent(state, allowance, allowance, most, lambda free, _: state.rng.choice(free))


CHOOSERS: dict[str, Chooser] = {"active": active, "random": at_random, "cheapest": cheapest, "d_optimal": d_optimal}


def choose_first(pool: Pool, rng: np.random.Generator) -> list[int]:
    """Draw the first runs of a study, two more than the law has parameters, from those of a small share of the FLOPs."""
    count = least_runs(pool.law, pool.runs) + 1
    free = np.flatnonzero(pool.costs <= FIRST_SHARE * pool.costs.sum() / count)
    if len(free) < 2 * count:
        free = np.argsort(pool.costs, kind="stable")[: 2 * count]
    return rng.choice(free, min(count, len(free)), replace=False).tolist()


def _variance_reduction(cov: np.ndarray, noise: float, runs: int) -> np.ndarray:
    return np.sum(cov[runs:, :runs] ** 2, axis=0) / (np.diag(cov)[:runs] + noise)


def _information(cov: np.ndarray, noise: float, runs: int) -> np.ndarray:
    return np.log1p(np.diag(cov)[:runs] / noise)


def _choose_greedily(state: State, allowance: float, horizon: float, most: int, gain: Callable) -> list[int]:
    posterior, runs = state.posterior(), len(state.pool.runs)
    cov = posterior.covariance if gain is _variance_reduction else posterior.law_covariance
    price = state.pool.costs**state.options.cost_exponent

    def best_of(free: np.ndarray, chosen: list[int]) -> int:
        nonlocal cov
        if chosen:
            last = cov[chosen[-1]]
            cov = cov - np.outer(last, last) / (last[chosen[-1]] + posterior.noise)
        return free[np.argmax((gain(cov, posterior.noise, runs) / price)[free])]

    return _choose_until_spent(state, allowance, horizon, most, best_of)


def _choose_until_spent(
    state: State, allowance: float, horizon: float, most: int, best_of: Callable[[np.ndarray, list[int]], int]
) -> list[int]:
    """Choose runs one by one among those affordable within ``horizon``, until one is too expensive for ``allowance``."""
    chosen: list[int] = []
    spent = 0.0
    while len(chosen) < most:
        free = state.affordable(max(allowance, horizon) - spent, chosen)
        if not len(free):
            break
        best = int(best_of(free, chosen))
        spent += state.pool.costs[best]
        if spent > allowance:
            break
        chosen.append(best)
    return chosen
