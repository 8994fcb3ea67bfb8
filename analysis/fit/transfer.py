"""Transfer of a learning rate: the loss that the smallest model's best learning rate loses at the largest model.

Transfer of hyperparameters over sizes (arXiv 2203.03466, section 2) means that this loss is near 0. The best learning rates are
those of the cells of :class:`openr1.analysis.laws.hyperparameter.Hyperparameter`, minima of parabolas in the logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.fit.resampling import Bootstrap, drawn_together
from openr1.analysis.laws.hyperparameter import Cell, Cells, Hyperparameter
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

ENDS = (2.5, 97.5)  # percentiles of a 95 % interval
Interval = tuple[float, float, float]  # value, lower end, upper end; NaN ends without resamples


@dataclass(frozen=True)
class Transfer:
    """The best learning rates of the smallest and of the largest cell of a study, and what one of them loses at the other.

    :ivar small_n, large_n: parameters of the cells.
    :ivar small, large: the best learning rates.
    :ivar regret: loss at ``small`` above the best one, in the largest cell.
    :ivar response: ``loss``, in nats a token, or ``error``, a share.
    :ivar at_least: the learning rate ``small`` is beyond those that were tried in the largest cell, so that the loss is that of
        the nearest one.
    """

    small_n: float
    large_n: float
    small: Interval
    large: Interval
    regret: Interval
    response: str = "loss"
    at_least: bool = False


def transfer_of(frame: pd.DataFrame, law: Hyperparameter, bootstrap: Bootstrap, response: str = "loss") -> Transfer:
    """Return the transfer from the smallest cell of a study to the largest, by parameters times tokens.

    The loss at a learning rate is that of the parabola within the runs that it is fitted to, and between the measured ones
    beyond them. Intervals are percentiles of resamples of the runs within each cell.

    :param response: what the column of losses holds, ``loss`` or ``error``.
    :raises ConfigError: if there is one model size only, if a cell has no optimum, or if its grid is of batch sizes too.
    """
    cells = Cells(frame, law)
    order = np.argsort(cells.n * cells.d)
    first, last = int(order[0]), int(order[-1])
    if cells.n[first] == cells.n[last]:
        raise ConfigError("the runs are of one model size")
    for place in (first, last):
        row = cells.table[place]
        if row["excluded"]:
            raise ConfigError(f"{row['excluded']} for {row['N']:.3g} parameters")
        if len(cells.cells[place].axes) > 1:
            raise ConfigError("the grid is of batch sizes too")
    weights = np.ones((1, len(frame)))
    if bootstrap.resamples:
        together = drawn_together(law, frame)
        group_of = np.unique(together, return_inverse=True)[1]
        weights = np.concatenate([weights, bootstrap.counts(together, law.strata(frame))[:, group_of]])
    weights = weights * cells.weight
    small, large = cells.cells[first], cells.cells[last]
    at, best = (cell.surface.minimum(weights[:, cell.rows]) for cell in (small, large))
    regret = _loss(frame, large, cells.label == last, at.place, weights) - best.value
    runs = np.log(frame["lr"].to_numpy(dtype=float)[cells.label == last])
    return Transfer(
        small_n=float(cells.n[first]),
        large_n=float(cells.n[last]),
        small=_interval(np.exp(at.place[:, 0])),
        large=_interval(np.exp(best.place[:, 0])),
        regret=_interval(np.maximum(regret, 0.0)),
        response=response,
        at_least=not runs.min() <= at.place[0, 0] <= runs.max(),
    )


def _loss(frame: pd.DataFrame, cell: Cell, of_cell: np.ndarray, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the loss (m,) of a cell at logarithms of a learning rate (m, 1), for each row of weights (m, n)."""
    surface = cell.surface
    result = surface.at(places, weights[:, cell.rows])
    logs, losses = np.log(frame["lr"].to_numpy(dtype=float)[of_cell]), frame["loss"].to_numpy(dtype=float)[of_cell]
    levels, level = np.unique(logs, return_inverse=True)
    means = np.bincount(level, losses) / np.bincount(level)
    beyond = ~surface.covers(places) & ~np.isnan(places[:, 0])
    result[beyond] = np.interp(places[beyond, 0], levels, means)
    return result


def _interval(values: np.ndarray) -> Interval:
    """Return the first value, and the interval of the others that are known."""
    draws = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(draws, ENDS) if len(draws) > 1 else (np.nan, np.nan)
    return float(values[0]), float(low), float(high)
