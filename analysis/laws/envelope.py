"""The envelope of training curves (arXiv 2203.15556, section 3.1, approach 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.laws.allocation import AllocationLaw, Optima
from analysis.laws.base import Solution
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

BINNINGS = (10, 30, 100, 300, 1000, 1500)
STEADY = 0.02  # the exponent of N may move by so much between binnings without a warning


@dataclass
class Envelope(AllocationLaw):
    """At each of many budgets the run of lowest loss so far, and power laws in C through their N, D and loss.

    A row is a point of a training curve: the run that it belongs to, its N, and D, C and loss so far. Curves are linear in
    log C between their rows. A budget at which the smallest or the largest size that reaches it is the best has its minimum at
    the edge of the sizes, as in approach 2, and is left out. The bootstrap draws whole runs: one is there where its rows have
    weight, and how much does not matter.

    N* is a staircase of the sizes that were trained, so that its exponent may depend on how many budgets look at it: the
    table ``binning`` says how much.
    """

    name: ClassVar[str] = "envelope"
    title: ClassVar[str] = "Envelope of training curves"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, section 3.1"
    needs: ClassVar[tuple[str, ...]] = ("run", "N", "D", "C", "loss")

    bins: int = 1500  # budgets, evenly in log C between where runs overlap
    smooth: int = 1  # rows of a curve, an odd number, that the moving median of its loss is over

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins < 2:
            raise ConfigError("law.bins: must be at least 2")
        if self.smooth < 1 or self.smooth % 2 == 0:
            raise ConfigError("law.smooth: must be an odd number of rows, 1 for none")

    def estimate(self, frame: pd.DataFrame) -> Solution:
        curves = Curves(frame, self.smooth)
        everything = np.ones((1, curves.count), dtype=bool)
        optima, left_out = self._optima(curves, self.bins, everything)
        sizes = len(np.unique(optima.log_n[optima.found]))
        if sizes < 2:
            raise ConfigError(
                "law: envelope needs at least 2 sizes that are the best at some budget, and neither the smallest nor the "
                f"largest there; there {'is' if sizes == 1 else 'are'} {sizes}"
            )
        solution = self.laws(optima)
        table = [self._binned(curves, bins, everything) for bins in sorted({*BINNINGS, self.bins})]
        exponents = [row["N_exponent"] for row in table if np.isfinite(row["N_exponent"])]
        solution.tables["binning"] = table
        if left_out:
            edge = f"left out, the best size is at the edge of the sizes: {left_out} of {len(optima.flops)} budgets"
            solution.warnings.insert(0, edge)
        if max(exponents) - min(exponents) > STEADY:
            ends = f"{min(exponents):.3f} to {max(exponents):.3f}"
            solution.warnings.append(f"the exponent of N depends on the number of budgets: {ends}, see the table of binnings")
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        curves = Curves(frame, self.smooth)
        return self.laws_again(self._optima(curves, self.bins, weights[:, curves.rows] > 0)[0], params)

    def predicted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows on the envelope: of the run that is the best at the budget nearest to the row, and not at the edge."""
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

    def _binned(self, curves: Curves, bins: int, everything: np.ndarray) -> dict:
        optima, _ = self._optima(curves, bins, everything)
        _, n_exponent, _, d_exponent = (float(value[0]) for value in optima.lines())
        return {"bins": bins, "points": int(optima.found.sum()), "N_exponent": n_exponent, "D_exponent": d_exponent}

    def _optima(self, curves: Curves, bins: int, drawn: np.ndarray) -> tuple[Optima, int]:
        """The envelope of the runs drawn (m, runs), and how many budgets of all runs are at the edge."""
        if curves.low >= curves.high:
            raise ConfigError("law: envelope needs runs whose training curves overlap in C; no two of them do")
        flops = curves.budgets(bins)
        loss, log_d = curves.at(flops)
        best, inside = curves.best(loss, drawn)
        columns = np.arange(bins)
        optima = (np.where(inside, part, np.nan) for part in (curves.log_n[best], log_d[best, columns], loss[best, columns]))
        return Optima(flops, *optima, np.ones(bins)), int(np.sum(~inside[0]))


class Curves:
    """The training curves of a frame, one a run, in the order in which runs first appear.

    :raises ConfigError: where there is no column ``run``, or a run has several N.
    """

    def __init__(self, frame: pd.DataFrame, smooth: int) -> None:
        import pandas as pd

        if "run" not in frame:
            raise ConfigError("runs.columns.run: envelope needs the training run that each row is of; name its column")
        self.run_of, names = pd.factorize(frame["run"])
        self.count = len(names)
        log_c, log_d = np.log(frame["C"].to_numpy(dtype=float)), np.log(frame["D"].to_numpy(dtype=float))
        order = np.lexsort((log_c, self.run_of))
        # of rows at the same FLOPs the last one counts
        last = np.append((np.diff(self.run_of[order]) > 0) | (np.diff(log_c[order]) > 0), True)
        order = order[last]
        starts = np.flatnonzero(np.diff(self.run_of[order], prepend=-1))
        parts = np.split(order, starts[1:])
        self.rows = order[starts]  # one of each run
        self.log_n = np.log(frame["N"].to_numpy(dtype=float))[self.rows]
        several = np.abs(np.log(frame["N"].to_numpy(dtype=float)) - self.log_n[self.run_of]) > 1e-9
        if several.any():
            raise ConfigError(f"runs.columns.run: run {names[self.run_of[several.argmax()]]} has rows of several N")
        loss = frame["loss"].to_numpy(dtype=float)
        self.curves = [(log_c[part], log_d[part], _median(loss[part], smooth)) for part in parts]
        first, final = (np.sort([curve[0][end] for curve in self.curves]) for end in (0, -1))
        # from where the second one begins, to where the last but one ends
        self.low, self.high = (first[1], final[-2]) if self.count > 1 else (0.0, 0.0)

    def budgets(self, bins: int) -> np.ndarray:
        """FLOPs (bins,), evenly in their logarithm."""
        return np.exp(np.linspace(self.low, self.high, bins))

    def at(self, flops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Loss, infinite where a run does not reach, and log D: (runs, bins) each."""
        log_c = np.clip(np.log(flops), self.low, self.high)  # rounding would put the ends outside of curves
        loss = np.stack([np.interp(log_c, x, y, left=np.inf, right=np.inf) for x, _, y in self.curves])
        return loss, np.stack([np.interp(log_c, x, log_d) for x, log_d, _ in self.curves])

    def best(self, loss: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each row of drawn runs (m, runs) the run of lowest loss at each budget, and whether it is an optimum: (m, bins).

        It is none where its size is the smallest or the largest of those drawn that reach the budget, nor at any budget up to
        the last at which the smallest of all is the best, or from the first on at which the largest is. Near these, noise
        decides what is the best: to leave out only the budgets at which it is the edge would turn the exponent towards 0.
        """
        reached = np.isfinite(loss)
        sizes = np.where(reached, self.log_n[:, None], np.inf)
        best, found = _first(loss, drawn)
        smallest, largest = (_first(np.where(reached, order, np.inf), drawn)[0] for order in (sizes, -sizes))
        size = self.log_n[best]
        inside = found & (self.log_n[smallest] < size) & (size < self.log_n[largest])
        at_least = np.where(drawn, self.log_n, np.inf).min(axis=1, keepdims=True)
        at_most = np.where(drawn, self.log_n, -np.inf).max(axis=1, keepdims=True)
        below = np.logical_or.accumulate((found & (size == at_least))[:, ::-1], axis=1)[:, ::-1]
        above = np.logical_or.accumulate(found & (size == at_most), axis=1)
        return best, inside & ~below & ~above


def _first(values: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row of drawn runs (m, runs) and each column of values (runs, bins): the drawn run of the lowest value, and
    whether that is finite."""
    ranked = np.argsort(values, axis=0, kind="stable")
    best = np.tile(ranked[0], (len(drawn), 1))
    row, column = np.nonzero(~drawn[:, ranked[0]])
    # a resample lacks the first k of the ranked runs with probability e^-k: few steps are long
    for following in ranked[1:]:
        best[row, column] = following[column]
        missing = ~drawn[row, following[column]]
        row, column = row[missing], column[missing]
        if not len(row):
            break
    found = np.isfinite(values[best, np.arange(values.shape[1])])
    found[row, column] = False  # of these no run was drawn
    return best, found


def _median(values: np.ndarray, width: int) -> np.ndarray:
    """The moving median over an odd number of values, the first and the last repeated beyond the ends."""
    if width == 1:
        return values
    padded = np.pad(values, width // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
