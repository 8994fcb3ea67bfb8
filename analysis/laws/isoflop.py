"""IsoFLOP profiles (arXiv 2203.15556, section 3.2, approach 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.formatting import scientific
from analysis.laws.allocation import AllocationLaw, Optima
from analysis.laws.base import Solution, best_runs
from analysis.numerics.isoflop_profiles import Akima, Parabola, Profile
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("parabola", "akima")
SHARPEST = 0.5  # of the median standard deviation: less than this of a handful of runs is luck


@dataclass
class IsoFlop(AllocationLaw):
    """A curve of loss in log N for each budget, and power laws in C through the minima.

    A parabola is that of approach 2. Where losses have little noise its shape is the larger error, and Akima's interpolation
    of log loss does not have it (arXiv 2406.19146). A budget without a minimum between its sizes is left out, and
    named in the warnings.

    Budgets weigh by the inverse variance of their log N*, or equally: that of the bootstrap of their runs for parabolas, that
    of leaving out one size at a time for Akima's. Where it cannot be had the budget weighs as the median one, and none weighs
    more than four times that.
    """

    name: ClassVar[str] = "isoflop"
    title: ClassVar[str] = "IsoFLOP profiles"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, section 3.2"
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "C", "loss")

    curve: str = "parabola"  # or akima
    nearest: int | None = None  # parabola: through so many sizes about the best run; null for all
    weighted: bool = True  # budgets by the inverse variance of their minimum

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.curve not in CURVES:
            raise ConfigError(f"law.curve: {self.curve!r} is not one of {', '.join(CURVES)}")
        if self.nearest is not None and self.curve != "parabola":
            raise ConfigError(f"law.nearest: is for parabolas; law.curve={self.curve} goes through every size")
        if self.nearest is not None and self.nearest < 3:
            raise ConfigError("law.nearest: a parabola needs at least 3 sizes")

    def predicted(self, frame: pd.DataFrame) -> pd.DataFrame:
        return best_runs(frame)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["budget"].to_numpy()

    def estimate(self, frame: pd.DataFrame) -> Solution:
        groups = self._profiles(frame)
        table = [profile.row() for profile, _ in groups]
        optima = self._optima(groups, table, np.ones((1, len(frame))))
        left_out = _left_out(table)
        count = int(optima.found.sum())
        if count < 2:
            reasons = f"; {left_out[0]}" if left_out else ""
            raise ConfigError(f"law: isoflop needs at least 2 budgets whose minimum is inside; there are {count}{reasons}")
        solution = self.laws(optima)
        solution.warnings[:0] = left_out
        solution.tables["budgets"] = table
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        groups = self._profiles(frame)
        return self.laws_again(self._optima(groups, [profile.row() for profile, _ in groups], weights), params)

    def _profiles(self, frame: pd.DataFrame) -> list[tuple[Profile, np.ndarray]]:
        """The profile of each budget, and which rows it is made of."""
        budget = frame["budget"].to_numpy()
        groups = [np.flatnonzero(budget == label) for label in np.unique(budget)]
        if self.curve == "akima":
            return [(Akima(frame.iloc[rows]), rows) for rows in groups]
        return [(Parabola(frame.iloc[rows], self.nearest), rows) for rows in groups]

    def _optima(self, groups: list[tuple[Profile, np.ndarray]], table: list[dict], weights: np.ndarray) -> Optima:
        """The minima of each row of counts (m, n)."""
        minima = [profile.minimum(weights[:, rows]) for profile, rows in groups]
        log_n, log_d, loss = (np.stack([getattr(one, name) for one in minima], axis=1) for name in ("log_n", "log_d", "loss"))
        flops = np.array([profile.flops for profile, _ in groups])
        shares = precisions([row.get("log_n_std", np.nan) for row in table]) if self.weighted else np.ones(len(table))
        return Optima(flops, log_n, log_d, loss, shares)


def precisions(deviations: list[float]) -> np.ndarray:
    """Inverse variances (n,) of standard deviations, of mean 1.

    One that is NaN is taken to be the median, as are all where that is 0; none counts for more than four times the median.
    """
    known = np.isfinite(deviations)
    median = np.median(np.asarray(deviations)[known]) if known.any() else 0
    if median == 0:
        return np.ones(len(deviations))
    shares = 1 / np.maximum(np.where(known, deviations, median), SHARPEST * median) ** 2
    return shares / shares.mean()


def _left_out(table: list[dict]) -> list[str]:
    """A sentence for each reason, with the budgets that it holds for."""
    reasons: dict[str, list[str]] = {}
    for row in table:
        if row["excluded"]:
            reasons.setdefault(row["excluded"], []).append(scientific(row["C"]))
    return [
        f"left out, {reason}: {len(budgets)} of {len(table)} budgets ({_some(budgets)} FLOPs)"
        for reason, budgets in reasons.items()
    ]


def _some(names: list[str], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
