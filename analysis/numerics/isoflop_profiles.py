"""IsoFLOP profiles: a curve of loss in log N through the runs of one compute budget, and its minimum.

The tokens at the minimum come from a curve of log D in log N, so that nothing assumes C = 6ND.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 200  # resamples of the runs of one budget, for the variance of its minimum


@dataclass(frozen=True)
class ProfileMinimum:
    """Minima of curves: arrays (m,), NaN for a curve without one between its sizes."""

    log_n: np.ndarray
    log_d: np.ndarray
    loss: np.ndarray
    curvature: np.ndarray  # half the second derivative of loss in log N


class IsoFlopProfile(ABC):
    """The runs of one budget; the column ``weight``, if there is one, weights them."""

    curve: ClassVar[str]

    def __init__(self, runs: pd.DataFrame) -> None:
        self.flops = float(runs["budget"].iloc[0])
        self.log_n, self.log_d = np.log(runs["N"].to_numpy()), np.log(runs["D"].to_numpy())
        self.loss = runs["loss"].to_numpy()
        self.weights = runs["weight"].to_numpy(dtype=float) if "weight" in runs else np.ones(len(runs))
        self.sizes, self.size_of = np.unique(self.log_n, return_inverse=True)
        self.members = (self.size_of[:, None] == np.arange(len(self.sizes))).astype(float)  # (runs, sizes)
        mass = self.weights @ self.members
        self.means = np.where(mass > 0, (self.weights * self.loss) @ self.members / np.where(mass > 0, mass, 1), np.inf)

    def minimum(self, weights: np.ndarray) -> ProfileMinimum:
        """Return the minimum for each row of counts (m, runs).

        There is none if fewer than three sizes are drawn, or if the curve is lowest at or beyond an edge of all sizes of
        the budget, drawn or not.
        """
        lowest = self._lowest(weights * self.weights)
        between = (self.sizes[0] < lowest.log_n) & (lowest.log_n < self.sizes[-1]) & self._inside
        log_n, log_d, loss = (np.where(between, part, np.nan) for part in (lowest.log_n, lowest.log_d, lowest.loss))
        return ProfileMinimum(log_n, log_d, loss, lowest.curvature)

    @abstractmethod
    def _lowest(self, weights: np.ndarray) -> ProfileMinimum:
        """Return the minimum of the curve, also outside of the sizes."""

    @abstractmethod
    def _variance(self) -> float:
        """Return the variance of log N at the minimum; NaN if it cannot be estimated."""

    @property
    def _inside(self) -> bool:
        """True if all runs together have a minimum between their sizes; without one, no resample has one."""
        return True

    @property
    def _edge(self) -> str:
        """The edge (smallest or largest) if the mean loss of the sizes is lowest there, or an empty string."""
        lowest = self.means.argmin()
        return "smallest" if lowest == 0 else "largest" if lowest == len(self.sizes) - 1 else ""

    def row(self) -> dict[str, Any]:
        """Return the minimum of the runs as a row of a table; ``excluded`` is the reason if there is none."""
        minimum = self.minimum(np.ones((1, len(self.loss))))
        known = {"C": self.flops, "runs": len(self.loss)}
        if np.isnan(minimum.loss[0]):
            return {**known, "excluded": self._reason(minimum.curvature[0])}
        return {
            **known,
            "N": float(np.exp(minimum.log_n[0])),
            "log_n_std": float(np.sqrt(self._variance())),
            "D": float(np.exp(minimum.log_d[0])),
            "loss": float(minimum.loss[0]),
            "curvature": float(minimum.curvature[0]),
            "excluded": "",
        }

    def _reason(self, curvature: float) -> str:
        if len(self.sizes) < 3:
            return "fewer than three model sizes"
        if curvature <= 0:
            return f"the {self.curve} opens downward"
        # the minimum may be beyond an edge though an inner size is best; it is on the side of the lower losses
        slope = np.polyfit(self.log_n, self.loss, 1)[0]
        return f"the minimum is at or beyond the {self._edge or ('smallest' if slope > 0 else 'largest')} model"


class Parabola(IsoFlopProfile):
    """Least squares of loss in log N, through all sizes or through the ``nearest`` to the best run (in log N)."""

    curve: ClassVar[str] = "parabola"

    def __init__(self, runs: pd.DataFrame, nearest: int | None = None) -> None:
        super().__init__(runs)
        self.nearest = nearest
        self.centre = self.sizes.mean()
        self.design = np.stack([(self.log_n - self.centre) ** power for power in range(3)], axis=1)
        self.targets = np.stack([self.loss, self.log_d], axis=1)

    def _lowest(self, weights: np.ndarray) -> ProfileMinimum:
        drawn = weights @ self.members > 0
        if self.nearest is not None:
            drawn = self._near(weights, drawn)
            weights = weights * drawn[:, self.size_of]
        solvable = drawn.sum(axis=1) >= 3
        normal = np.einsum("mn,ni,nj->mij", weights, self.design, self.design)
        right = np.einsum("mn,ni,nt->mit", weights, self.design, self.targets)
        parabolas = np.linalg.solve(np.where(solvable[:, None, None], normal, np.eye(3)), right)
        curvature = np.where(solvable, parabolas[:, 2, 0], np.nan)
        offset = -parabolas[:, 1, 0] / (2 * np.where(curvature > 0, curvature, np.nan))
        loss, log_d = np.einsum("mi,mit->tm", offset[:, None] ** np.arange(3), parabolas)
        return ProfileMinimum(self.centre + offset, log_d, loss, curvature)

    @property
    def _inside(self) -> bool:
        # if the best size is at an edge, a vertex between the sizes is an artefact of the shape of the other losses
        return self._edge == ""

    def _near(self, weights: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Return a mask of the drawn sizes (m, sizes) that are nearest to the best drawn run."""
        best = self.size_of[np.where(weights > 0, self.loss, np.inf).argmin(axis=1)]
        order = np.abs(self.sizes[:, None] - self.sizes).argsort(axis=1, kind="stable")[best]
        near = np.zeros_like(drawn)
        np.put_along_axis(near, order, np.take_along_axis(drawn, order, axis=1).cumsum(axis=1) <= self.nearest, axis=1)
        return near & drawn

    def _variance(self) -> float:
        """Estimate it by a bootstrap of the runs; a parabola through three runs has none."""
        runs = len(self.loss)
        if runs < 4:
            return np.nan
        draws = np.random.default_rng(0).multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES)
        log_n = self.minimum(draws).log_n
        log_n = log_n[np.isfinite(log_n)]
        return float(log_n.var(ddof=1)) if len(log_n) > 1 else np.nan


class Akima(IsoFlopProfile):
    """Akima's interpolation of log loss in log N, through the mean loss of each size.

    It goes through every point, and its minimum is the lowest point of a cubic between two sizes, in closed form. A resample is
    interpolated through its drawn sizes, at least three. The fewer they are, the further off its minimum may be, which makes
    intervals wide rather than narrow; it has none if its lowest loss is at an edge of the drawn sizes.
    """

    curve: ClassVar[str] = "akima"

    def _lowest(self, weights: np.ndarray) -> ProfileMinimum:
        mass = weights @ self.members
        drawn = mass > 0
        count = drawn.sum(axis=1)
        with np.errstate(all="ignore"):  # a size that was not drawn
            log_loss, log_d = ((weights * part) @ self.members / mass for part in (np.log(self.loss), self.log_d))
        order = np.argsort(~drawn, axis=1, kind="stable")  # drawn sizes first, still in order of size
        points = [self.sizes[order], *(np.take_along_axis(part, order, axis=1) for part in (log_loss, log_d))]
        minima = np.full((4, len(weights)), np.nan)
        for size in range(3, len(self.sizes) + 1):
            rows = np.flatnonzero(count == size)
            if len(rows):
                minima[:, rows] = _minimum_between(*(part[rows, :size] for part in points))
        log_n, log_d, lowest, curvature = minima
        return ProfileMinimum(log_n, log_d, np.exp(lowest), np.exp(lowest) * curvature)

    def _variance(self) -> float:
        """Estimate it by a jackknife over sizes.

        Nothing was measured between sizes, so that the deviation is at least a third of their spacing, as in arXiv 2406.19146.
        """
        log_n = self.minimum(1 - self.members.T).log_n
        log_n = log_n[np.isfinite(log_n)]
        spacing = (self.sizes[-1] - self.sizes[0]) / (len(self.sizes) - 1)
        return max(float((len(log_n) - 1) * log_n.var()), (spacing / 3) ** 2) if len(log_n) > 1 else np.nan


def _minimum_between(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Minimise the interpolation of y in x, (m, k) each; return x, the interpolation of z there, y, and half the second
    derivative of y at the minimum; (m,) each, NaN if y is lowest at an end.
    """
    first, second, third = akima_cubics(x, y)
    with np.errstate(all="ignore"):  # a cubic may have no minimum
        root = np.sqrt(second**2 - 3 * first * third)
        # two forms of one root, each exact where the other cancels
        step = np.where(second > 0, -first / (second + root), (root - second) / (3 * third))
    inside = (step >= 0) & (step <= np.diff(x, axis=1))
    step = np.where(inside, step, 0)
    values = np.where(inside, y[:, :-1] + step * (first + step * (second + step * third)), np.inf)
    best = values.argmin(axis=1)[:, None]

    def at(part: np.ndarray) -> np.ndarray:
        return np.take_along_axis(part, best, axis=1)[:, 0]

    lowest = at(values)
    along = akima_cubics(x, z)
    tokens = z[:, :-1] + step * (along[0] + step * (along[1] + step * along[2]))
    ends = np.minimum(y[:, 0], y[:, -1])
    minimum = (at(x[:, :-1] + step), at(tokens), lowest, at(second + 3 * step * third))
    return tuple(np.where(lowest < ends, part, np.nan) for part in minimum)


def akima_cubics(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Akima's cubics (J. ACM 17, 589, 1970) between the k points of each row (m, k), k of at least 3.

    :returns: c1, c2, c3, (m, k - 1) each: ``y_i + c1 u + c2 u^2 + c3 u^3`` at ``u = x - x_i``.
    """
    width = np.diff(x, axis=1)
    secant = np.diff(y, axis=1) / width
    # two more secants at each end, extrapolated as a parabola
    before, after = secant[:, 0] - secant[:, 1], secant[:, -1] - secant[:, -2]
    ends = (secant[:, 0] + 2 * before, secant[:, 0] + before, *secant.T, secant[:, -1] + after, secant[:, -1] + 2 * after)
    m = np.stack(ends, axis=1)
    change = np.abs(np.diff(m, axis=1))
    left, right = change[:, 2:], change[:, :-2]  # weights of the secants to the left and to the right of a point
    total = left + right
    flat = total <= 1e-9 * total.max(axis=1, keepdims=True)
    mean = (m[:, 3:] + m[:, :-3]) / 2
    slope = np.where(flat, mean, (left * m[:, 1:-2] + right * m[:, 2:-1]) / np.where(flat, 1, total))
    start, end = slope[:, :-1], slope[:, 1:]
    return start, (3 * secant - 2 * start - end) / width, (start + end - 2 * secant) / width**2
