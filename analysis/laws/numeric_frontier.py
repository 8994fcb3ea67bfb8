"""The best division of compute between size and tokens for any curve of both, found by search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from openr1.analysis.laws.base import TrainingFlops
from openr1.analysis.laws.points import Inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

GRID = 81  # sizes between one parameter and one token
FINER, ROUNDS = 9, 9  # sizes about the best one, and how often they are searched: to a relative 1e-6
PROBLEMS = 500  # sets of parameters at a time, for memory


class Curve(Protocol):
    """The members of a law that are searched."""

    @property
    def predictors(self) -> Sequence[str]: ...
    def curve(self, x: Inputs, *params: Any) -> np.ndarray: ...


def search_frontier(law: Curve, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> dict[str, np.ndarray]:
    """Return the ``N``, ``D`` and ``loss`` (m, k) of lowest loss at budgets (k,) or (m, k), by the curve of parameters (m, p).

    Where the loss falls up to an end of all sizes, from one parameter to one token, there is no best one: N is 0 or infinite,
    and D is infinite or 0.
    """
    budgets = np.broadcast_to(flops, (len(params), np.shape(flops)[-1]))
    found = np.empty((3, *budgets.shape))
    for first in range(0, len(params), PROBLEMS):
        part = slice(first, first + PROBLEMS)
        for k in range(budgets.shape[1]):
            found[:, part, k] = _search(law, params[part], budgets[part, k, None], flops_of)
    return dict(zip(("N", "D", "loss"), found, strict=True))


def _search(law: Curve, params: np.ndarray, flops: np.ndarray, flops_of: TrainingFlops) -> np.ndarray:
    """Return N, D and loss (3, m) at a budget (m, 1) each."""
    columns = [column[:, None] for column in params.T]
    most = np.log(flops / flops_of.coefficient) / flops_of.exponent  # log N at one token
    rows = np.arange(len(params))

    def losses(log_n: np.ndarray) -> np.ndarray:
        n = np.exp(log_n)
        known = {"N": n, "D": flops / flops_of(n, 1), "C": flops * np.ones_like(n)}
        with np.errstate(all="ignore"):
            values = law.curve(Inputs(**{name: known[name] for name in law.predictors}), *columns)
        return np.where(np.isfinite(values), values, np.inf)

    grid, step = most * np.linspace(0, 1, GRID), most / (GRID - 1)
    values = losses(grid)
    log_n, (low, high) = grid[rows, values.argmin(axis=1)], (values[:, [0, -1]] <= values.min(axis=1, keepdims=True)).T
    for _ in range(ROUNDS):
        grid = np.clip(log_n[:, None] + step * np.linspace(-1, 1, FINER), 0, np.maximum(most, 0))
        values = losses(grid)
        log_n, step = grid[rows, values.argmin(axis=1)], 2 * step / (FINER - 1)
    n = np.where(low, 0, np.where(high, np.inf, np.exp(log_n)))
    d = np.where(low, np.inf, np.where(high, 0, flops[:, 0] / flops_of(np.exp(log_n), 1)))
    return np.stack([n, d, values.min(axis=1)])
