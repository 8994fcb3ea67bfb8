"""Robust regression of ``L = E + sum_j A_j x_j^-a_j``: the shape that several laws share."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from analysis.optimise import robust_fit

FLOOR_POINTS = 4  # that a power law of one predictor needs for an irreducible loss


@dataclass(frozen=True)
class Search:
    """What many starts ended in."""

    params: np.ndarray  # (1, p), natural units, of the best
    value: np.ndarray  # (1,), its sum
    basins: int  # distinct optima
    agreeing: float  # share of the starts that ended in the best


@dataclass(frozen=True)
class SumOfPowers:
    """Powers of k predictors, and an irreducible loss E where ``offset`` is true.

    Fitted in ``log E, log A'_j, log a_j``, which keeps all of them positive. ``A'_j = A_j exp(-a_j centre_j)`` is the term
    at the centre of the data: coefficient and exponent are then nearly uncorrelated, and starts need no knowledge of units.
    """

    log_x: np.ndarray  # (k, n) for all problems, or (k, m, n)
    log_loss: np.ndarray  # (n,) or (m, n)
    offset: bool = True
    delta: float = 1e-3

    @property
    def size(self) -> int:
        """Parameters p."""
        return 2 * len(self.log_x) + self.offset

    @property
    def centres(self) -> np.ndarray:
        return self.log_x.reshape(len(self.log_x), -1).mean(axis=1)

    def starts(self) -> np.ndarray:
        """Irreducible shares of the lowest loss x splits of the rest between the terms x exponents: (m, p)."""
        loss = np.exp(self.log_loss)
        terms = len(self.log_x)
        splits = [(1.0,)] if terms == 1 else [(share, 1 - share) for share in (0.2, 0.5, 0.8)]
        rows = []
        for irreducible in (0.1, 0.5, 0.9) if self.offset else (0.0,):
            rest = loss.mean() - irreducible * loss.min()
            for split, exponents in itertools.product(splits, itertools.product((0.1, 0.3, 0.9), repeat=terms)):
                natural = [irreducible * loss.min()] * self.offset
                for share, exponent in zip(split, exponents, strict=True):
                    natural += [share * rest, exponent]
                rows.append(np.log(natural))
        return np.array(rows)

    def search(self, weights: np.ndarray | float = 1.0) -> Search:
        """The best end of all starts. Weights are (1, n)."""
        theta, values = self.fit(self.starts(), np.broadcast_to(weights, (1, self.log_loss.shape[-1])))
        order = np.argsort(values)
        # two ends are one optimum where their sums agree within 0.1 %, or where both fit exactly
        same = 1e-3 * values + 1e-6 * self.delta**2
        distinct = 1 + int(np.sum(np.diff(values[order]) > same[order][:-1]))
        best = order[:1]
        return Search(self.natural(theta[best]), values[best], distinct, float(np.mean(values <= values[best] + same[best])))

    def fit(self, starts: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Optima (m, p) in the fitted coordinates, and their sums (m,). Weights are (m, n), or (1, n) for all."""
        return robust_fit(self.curve, starts, self.log_loss, weights, self.delta)

    def curve(self, theta: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log loss (m, n) and its derivatives (m, n, p)."""
        log_x = self.log_x[:, rows] if self.log_x.ndim == 3 else self.log_x
        log_x = log_x - self.centres.reshape(-1, *[1] * (log_x.ndim - 1))
        first = int(self.offset)
        columns = [np.exp(theta[:, :1])] * first
        for j, distance in enumerate(log_x):
            exponent = np.exp(theta[:, first + 2 * j + 1, None])
            term = np.exp(theta[:, first + 2 * j, None] - exponent * distance)
            columns += [term, -term * exponent * distance]
        loss = sum(columns[:first]) + sum(columns[first::2])
        return np.log(loss), np.stack([column / loss for column in columns], axis=-1)

    def natural(self, theta: np.ndarray) -> np.ndarray:
        """E, A_1, a_1, A_2, a_2, ... from the fitted coordinates; without E where there is no offset."""
        params = np.exp(theta)
        first = int(self.offset)
        with np.errstate(over="ignore"):  # a resample that leaves an exponent free has no coefficient
            for j, centre in enumerate(self.centres):
                params[:, first + 2 * j] *= np.exp(params[:, first + 2 * j + 1] * centre)
        return params

    def fitted(self, params: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`natural`."""
        theta = np.log(params)
        first = int(self.offset)
        for j, centre in enumerate(self.centres):
            theta[:, first + 2 * j] -= params[:, first + 2 * j + 1] * centre
        return theta

    def condition(self, params: np.ndarray) -> float:
        """Condition number of the Jacobian of log loss in log parameters, columns scaled to length one (Belsley)."""
        _, jacobian = self.curve(self.fitted(params), np.zeros(1, dtype=int))
        columns = jacobian[0] / np.linalg.norm(jacobian[0], axis=0)
        return float(np.linalg.cond(columns))


def evaluate(params: np.ndarray, log_x: np.ndarray, offset: bool = True) -> np.ndarray:
    """Losses (m, n) of parameters (m, p) at predictors (k, n)."""
    first = int(offset)
    loss = sum(
        params[:, first + 2 * j, None] * np.exp(-params[:, first + 2 * j + 1, None] * column) for j, column in enumerate(log_x)
    )
    return loss + params[:, :1] if offset else loss


def no_floor(points: int) -> str:
    """The warning of a law that was fitted without its irreducible loss."""
    return f"{points} points are too few for an irreducible loss: E is taken to be 0, and the law is a pure power law"
