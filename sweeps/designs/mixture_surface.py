"""A surface fitted to the losses of mixes over their simplex, and its optimum.

The surface is fitted to mixes that contain every source: the loss on a source's text rises without bound as its share goes to
zero, which no polynomial follows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CANDIDATES = 100_000  # mixes among which the optimum of a surface is found


@dataclass(frozen=True)
class Surface:
    """Scheffé's quadratic polynomial ``sum_i b_i x_i + sum_{i<j} b_ij x_i x_j`` (J. R. Stat. Soc. B 20, 344, 1958, eq. 3.4).

    :ivar coefficients: (q + q (q - 1) / 2,), those of single sources first.
    :ivar error: root mean square of the leave-one-out residuals, in the unit of the response.
    """

    coefficients: np.ndarray
    error: float

    def __call__(self, mixes: np.ndarray) -> np.ndarray:
        """Return the values (n,) at mixes.

        :param mixes: (n, q), shares.
        """
        return _terms(mixes) @ self.coefficients

    def best(self, least: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the mix of the lowest value, and the value.

        :param least: (q,), the least share of each source.
        """
        draws = np.random.default_rng(0).dirichlet(np.ones(len(least)), CANDIDATES)
        mixes = least + (1 - least.sum()) * draws
        values = self(mixes)
        return mixes[np.argmin(values)], float(values.min())


def fit_surface(mixes: np.ndarray, losses: np.ndarray) -> Surface | None:
    """Fit by least squares; None where the mixes do not determine the surface with one of them left out.

    :param mixes: (n, q).
    :param losses: (n,).
    """
    terms = _terms(mixes)
    if len(mixes) <= terms.shape[1] or np.linalg.matrix_rank(terms) < terms.shape[1]:
        return None
    # a residual without its own run is e / (1 - h), h the diagonal of the hat matrix
    leverage = np.sum(np.linalg.qr(terms)[0] ** 2, axis=1)
    if leverage.max() > 1 - 1e-9:
        return None
    coefficients = np.linalg.lstsq(terms, losses, rcond=None)[0]
    left_out = (losses - terms @ coefficients) / (1 - leverage)
    return Surface(coefficients, float(np.sqrt(np.mean(left_out**2))))


def _terms(mixes: np.ndarray) -> np.ndarray:
    pairs = [mixes[:, i] * mixes[:, j] for i, j in itertools.combinations(range(mixes.shape[1]), 2)]
    return np.column_stack([mixes, *pairs])


def describe_mixes(names: Sequence[str], mixes: Sequence[Sequence[float]], losses: Sequence[float]) -> list[str]:
    """Return lines: the mixes from the best to the worst, and the optimum of the surface.

    :param mixes: of each run, shares of the sources.
    """
    if not losses:
        return []
    order = np.argsort(losses, kind="stable")
    lines = [f"eval_loss  {'  '.join(names)}"]
    lines += [f"{losses[i]:9.4f}  {_format_shares(mixes[i], names)}" for i in order]
    x, y = np.array(mixes), np.array(losses)
    whole = (x > 0).all(axis=1)
    surface = fit_surface(x[whole], y[whole])
    if surface is None:
        return [*lines, f"too few mixes for a quadratic surface: {whole.sum()} contain every source"]
    best, value = surface.best(x[whole].min(axis=0))
    optimum = ", ".join(f"{name} {share:.2f}" for name, share in zip(names, best, strict=True))
    return [*lines, f"quadratic surface: lowest at {optimum}: {value:.4f} ± {surface.error:.4f} (leave-one-out error)"]


def _format_shares(mix: Sequence[float], names: Sequence[str]) -> str:
    return "  ".join(f"{share:{max(len(name), 4)}.3g}" for share, name in zip(mix, names, strict=True))
