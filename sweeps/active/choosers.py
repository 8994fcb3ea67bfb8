"""Which runs to make next, within an allowance: by what they tell about the targets, and rules to compare that with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sweeps.active.options import ActiveOptions
from sweeps.active.pool import Pool, least_runs
from sweeps.active.posterior import Posterior, posterior

BEGINNING = 0.01  # of the FLOPs of all candidates, that the first runs may cost


@dataclass
class State:
    """A choice that is going on: which runs are done, and where randomness comes from."""

    pool: Pool
    options: ActiveOptions
    chosen: list[int]
    rng: np.random.Generator
    _known: tuple[int, Posterior] | None = None

    @property
    def spent(self) -> float:
        return float(self.pool.costs[self.chosen].sum())

    def open(self, allowance: float, made: list[int]) -> np.ndarray:
        """Indices of the runs that are not done, nor in ``made``, and can be paid for."""
        free = self.pool.costs <= allowance
        free[[*self.chosen, *made]] = False
        return np.flatnonzero(free)

    def posterior(self) -> Posterior:
        """What is expected, given the runs that are done."""
        if self._known is None or self._known[0] != len(self.chosen):
            options = self.options
            found = posterior(self.pool, np.array(self.chosen), self.rng, options.discrepancy, options.reach)
            self._known = len(self.chosen), found
        return self._known[1]


# state, FLOPs that may be spent now, and in all, at most so many runs -> the runs to make, in order of choice
Chooser = Callable[[State, float, float, int], list[int]]


def active(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Those that are expected to reduce the variance of the prediction at the targets most for their FLOPs, one after another.

    A run j takes ``sum_t cov(t, j)^2 / (cov(j, j) + s^2)`` off the variance at the targets t (Seo et al., IJCNN 2000, eq. 8:
    Cohn's criterion for a Gaussian process), and leaves the covariance that a rank-one update gives, so that the next run of a
    batch is chosen as if this one were done. Where the best is too dear for now, but not in all, the FLOPs are saved up for it.
    """
    return _greedy(state, allowance, horizon, most, _towards)


def d_optimal(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Those that shrink the volume of what the parameters of the law may be most for their FLOPs.

    ``log(1 + cov(j, j) / s^2)`` of the law alone, the greedy form of D-optimality (Wald 1943; Fedorov 1972).
    """
    return _greedy(state, allowance, horizon, most, _volume)


def cheapest(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Those of the fewest FLOPs first."""
    return _until_spent(state, allowance, allowance, most, lambda free, _: free[np.argmin(state.pool.costs[free])])


def at_random(state: State, allowance: float, horizon: float, most: int) -> list[int]:
    """Any that can be paid for now, all equally likely."""
    return _until_spent(state, allowance, allowance, most, lambda free, _: state.rng.choice(free))


CHOOSERS: dict[str, Chooser] = {"active": active, "random": at_random, "cheapest": cheapest, "d_optimal": d_optimal}


def first(pool: Pool, rng: np.random.Generator) -> list[int]:
    """The runs that a study begins with, two more than the law has parameters, of those that are a small part of the FLOPs."""
    count = least_runs(pool.law, pool.runs) + 1
    free = np.flatnonzero(pool.costs <= BEGINNING * pool.costs.sum() / count)
    if len(free) < 2 * count:
        free = np.argsort(pool.costs, kind="stable")[: 2 * count]
    return rng.choice(free, min(count, len(free)), replace=False).tolist()


def _towards(cov: np.ndarray, noise: float, runs: int) -> np.ndarray:
    return np.sum(cov[runs:, :runs] ** 2, axis=0) / (np.diag(cov)[:runs] + noise)


def _volume(cov: np.ndarray, noise: float, runs: int) -> np.ndarray:
    return np.log1p(np.diag(cov)[:runs] / noise)


def _greedy(state: State, allowance: float, horizon: float, most: int, gain: Callable) -> list[int]:
    found, runs = state.posterior(), len(state.pool.runs)
    cov = found.covariance if gain is _towards else found.law_covariance
    price = state.pool.costs**state.options.cost_exponent

    def next_of(free: np.ndarray, made: list[int]) -> int:
        nonlocal cov
        if made:
            last = cov[made[-1]]
            cov = cov - np.outer(last, last) / (last[made[-1]] + found.noise)
        return free[np.argmax((gain(cov, found.noise, runs) / price)[free])]

    return _until_spent(state, allowance, horizon, most, next_of)


def _until_spent(
    state: State, allowance: float, horizon: float, most: int, next_of: Callable[[np.ndarray, list[int]], int]
) -> list[int]:
    """Runs, one after another, each of those that ``horizon`` pays for, until one is too dear for ``allowance``."""
    made: list[int] = []
    spent = 0.0
    while len(made) < most:
        free = state.open(max(allowance, horizon) - spent, made)
        if not len(free):
            break
        best = int(next_of(free, made))
        spent += state.pool.costs[best]
        if spent > allowance:
            break
        made.append(best)
    return made
