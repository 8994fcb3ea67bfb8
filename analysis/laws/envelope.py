"""Envelope of training curves (arXiv 2203.15556, section 3.1, approach 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.laws.allocation import AllocationLaw, Optima
from openr1.analysis.laws.base import Solution
from openr1.analysis.warning import RankedWarning, Severity
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

BINNINGS = (10, 30, 100, 300, 1000, 1500)
STEADY = 0.02  # largest range of the exponent of N over BINNINGS without a warning


@dataclass
class Envelope(AllocationLaw):
    """Power laws in C through the N, D and loss of the run with the lowest loss at each of many budgets.

    A row is a point of a training curve: its run, N, and D, C and loss so far. Curves are interpolated linearly in log C. A
    budget whose best size is the smallest or the largest that reaches it has its minimum at the edge of the sizes, and is
    left out, as in approach 2. The bootstrap draws whole runs: a run is drawn or not, and how often does not matter.

    N* is a step function of the trained sizes, so that its exponent may depend on the number of budgets: the table
    ``binning`` shows how much.
    """

    name: ClassVar[str] = "envelope"
    title: ClassVar[str] = "Envelope of training curves"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, section 3.1"
    needs: ClassVar[tuple[str, ...]] = ("run", "N", "D", "C", "loss")

    bins: Annotated[int, Interval(ge=2, le=10**6)] = 1500  # number of budgets, evenly spaced in log C where runs overlap
    # width of the moving median of the loss in rows, an odd number; 1 for none
    smooth: Annotated[int, Interval(ge=1, le=10**6)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smooth % 2 == 0:
            raise ConfigError(f"law.smooth: must be an odd number of rows, not {self.smooth}; 1 for none")

    def estimate(self, frame: pd.DataFrame) -> Solution:
        curves = Curves(frame, self.smooth)
        everything = np.ones((1, curves.count), dtype=bool)
        optima, left_out = self._optima(curves, self.bins, everything)
        sizes = len(np.unique(optima.log_n[optima.exists]))
        if sizes < 2:
            raise ConfigError(
                "law: envelope needs at least 2 sizes that are best at some budget without being the smallest or the largest"
                f" there; there {'is' if sizes == 1 else 'are'} {sizes}"
            )
        solution = self.fit_optima(optima)
        table = [self._exponents_by_bins(curves, bins, everything) for bins in sorted({*BINNINGS, self.bins})]
        exponents = [row["N_exponent"] for row in table if np.isfinite(row["N_exponent"])]
        solution.tables["binning"] = table
        if left_out:
            edge = f"{left_out} of {len(optima.flops)} budgets are left out: their best size is at the edge of the sizes"
            solution.warnings.insert(0, RankedWarning(edge, Severity.DATA))
        if max(exponents) - min(exponents) > STEADY:
            ends = f"{min(exponents):.3f} to {max(exponents):.3f}"
            solution.warnings.append(
                RankedWarning(
                    f"the exponent of N depends on the number of budgets: {ends}; see the table of exponents",
                    Severity.MISLEADING,
                )
            )
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        curves = Curves(frame, self.smooth)
        whole, _ = self._optima(curves, self.bins, np.ones((1, curves.count), dtype=bool))
        return self.refit_optima(self._optima(curves, self.bins, weights[:, curves.rows] > 0)[0], params, whole)

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Select the rows on the envelope: those of the best run at the nearest budget, if that budget has an optimum."""
        curves = Curves(frame, self.smooth)
        if curves.low >= curves.high:
            return frame.iloc[:0]
        flops = curves.budgets(self.bins)
        loss, _ = curves.at(flops)
        best, inside = curves.best(loss, np.ones((1, curves.count), dtype=bool))
        log_c, ends = np.log(frame["C"].to_numpy()), np.log(flops[[0, -1]])
        nearest = np.rint((log_c - ends[0]) / (ends[1] - ends[0]) * (self.bins - 1))
        near = np.clip(nearest, 0, self.bins - 1).astype(int)
        return frame[(near == nearest) & (best[0, near] == curves.run_of) & inside[0, near]]

    def _exponents_by_bins(self, curves: Curves, bins: int, everything: np.ndarray) -> dict:
        """Return a row of the table ``binning``: the exponents for another number of budgets."""
        optima, _ = self._optima(curves, bins, everything)
        _, n_exponent, _, d_exponent = (float(value[0]) for value in optima.lines())
        return {"bins": bins, "points": int(optima.exists.sum()), "N_exponent": n_exponent, "D_exponent": d_exponent}

    def _optima(self, curves: Curves, bins: int, drawn: np.ndarray) -> tuple[Optima, int]:
        """Return the optima of the drawn runs (m, runs), and the number of budgets without one if all runs are drawn."""
        if curves.low >= curves.high:
            raise ConfigError("law: envelope needs runs whose training curves overlap in C; no two of them do")
        flops = curves.budgets(bins)
        loss, log_d = curves.at(flops)
        best, inside = curves.best(loss, drawn)
        columns = np.arange(bins)
        best_n, best_d, lowest = (
            np.where(inside, part, np.nan) for part in (curves.log_n[best], log_d[best, columns], loss[best, columns])
        )
        return Optima(flops, best_n, best_d, lowest, np.ones(bins), np.ones((1, bins))), int(np.sum(~inside[0]))


class Curves:
    """The training curves of a frame, one per run, in the order in which runs first appear.

    :raises ConfigError: if there is no column ``run``, or a run has several N.
    """

    def __init__(self, frame: pd.DataFrame, smooth: int) -> None:
        import pandas as pd

        if "run" not in frame:
            raise ConfigError("runs.columns.run: envelope needs the training run that each row is of; name its column")
        self.run_of, names = pd.factorize(frame["run"])
        self.count = len(names)
        log_c, log_d = np.log(frame["C"].to_numpy(dtype=float)), np.log(frame["D"].to_numpy(dtype=float))
        order = np.lexsort((log_c, self.run_of))
        # the last of several rows at the same FLOPs counts
        last = np.append((np.diff(self.run_of[order]) > 0) | (np.diff(log_c[order]) > 0), True)
        order = order[last]
        starts = np.flatnonzero(np.diff(self.run_of[order], prepend=-1))
        parts = np.split(order, starts[1:])
        self.rows = order[starts]  # one row per run
        self.log_n = np.log(frame["N"].to_numpy(dtype=float))[self.rows]
        several = np.abs(np.log(frame["N"].to_numpy(dtype=float)) - self.log_n[self.run_of]) > 1e-9
        if several.any():
            raise ConfigError(f"runs.columns.run: run {names[self.run_of[several.argmax()]]} has rows of several N")
        loss = frame["loss"].to_numpy(dtype=float)
        self.curves = [(log_c[part], log_d[part], _moving_median(loss[part], smooth)) for part in parts]
        first, final = (np.sort([curve[0][end] for curve in self.curves]) for end in (0, -1))
        # the range in which at least two runs overlap
        self.low, self.high = (float(first[1]), float(final[-2])) if self.count > 1 else (0.0, 0.0)

    def budgets(self, bins: int) -> np.ndarray:
        """Return the FLOPs (bins,) of evenly spaced budgets in log C."""
        return np.exp(np.linspace(self.low, self.high, bins))

    def at(self, flops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Interpolate the loss, infinite for a run that does not reach a budget, and log D: (runs, bins) each."""
        log_c = np.clip(np.log(flops), self.low, self.high)  # rounding could put the ends outside of the curves
        loss = np.stack([np.interp(log_c, x, y, left=np.inf, right=np.inf) for x, _, y in self.curves])
        return loss, np.stack([np.interp(log_c, x, log_d) for x, log_d, _ in self.curves])

    def best(self, loss: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return, for each row of drawn runs (m, runs), the run of lowest loss at each budget, and a mask of optima: (m,
        bins).

        A budget has no optimum if its best size is the smallest or the largest drawn size that reaches it. It has none either
        at or below the last budget at which the smallest size of all is best, or at or above the first budget at which the
        largest is. Near these budgets noise decides which size is best: leaving out only the budgets whose best size is at
        the edge would bias the exponent towards 0.
        """
        reached = np.isfinite(loss)
        sizes = np.where(reached, self.log_n[:, None], np.inf)
        best, any_drawn = _lowest_drawn(loss, drawn)
        smallest, largest = (_lowest_drawn(np.where(reached, order, np.inf), drawn)[0] for order in (sizes, -sizes))
        size = self.log_n[best]
        inside = any_drawn & (self.log_n[smallest] < size) & (size < self.log_n[largest])
        at_least = np.where(drawn, self.log_n, np.inf).min(axis=1, keepdims=True)
        at_most = np.where(drawn, self.log_n, -np.inf).max(axis=1, keepdims=True)
        below = np.logical_or.accumulate((any_drawn & (size == at_least))[:, ::-1], axis=1)[:, ::-1]
        above = np.logical_or.accumulate(any_drawn & (size == at_most), axis=1)
        return best, inside & ~below & ~above


def _lowest_drawn(values: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each row of drawn runs (m, runs) and each column of values (runs, bins), the drawn run of lowest value, and
    whether that value is finite.
    """
    ranked = np.argsort(values, axis=0, kind="stable")
    best = np.tile(ranked[0], (len(drawn), 1))
    row, column = np.nonzero(~drawn[:, ranked[0]])
    # a resample lacks the first k ranked runs with probability e^-k, so that the loop ends early
    for following in ranked[1:]:
        best[row, column] = following[column]
        missing = ~drawn[row, following[column]]
        row, column = row[missing], column[missing]
        if not len(row):
            break
    any_drawn = np.isfinite(values[best, np.arange(values.shape[1])])
    any_drawn[row, column] = False  # no run of these columns was drawn
    return best, any_drawn


def _moving_median(values: np.ndarray, width: int) -> np.ndarray:
    """Return the moving median over an odd number of values, repeating the first and the last beyond the ends."""
    if width == 1:
        return values
    padded = np.pad(values, width // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
