"""IsoFLOP profiles (arXiv 2203.15556, section 3.2, approach 2)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from annotated_types import Interval

from openr1.analysis.formatting import scientific
from openr1.analysis.laws.allocation import AllocationLaw, Optima, weighted_line
from openr1.analysis.laws.base import Solution, TrainingFlops, best_runs
from openr1.analysis.numerics.isoflop_profiles import Akima, IsoFlopProfile, Parabola
from openr1.analysis.numerics.random_effects import LEAST, Scatter, scatter_about_line, t_factor
from openr1.analysis.warning import RankedWarning, Severity
from openr1.options.ranges import OneOf
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

CURVES = ("parabola", "akima")
SCATTERED = 0.01  # p-value of the scatter of budgets below which there is a warning
SHARPEST = 0.5  # share of the median standard deviation; smaller ones, of a handful of runs, are luck


@dataclass
class IsoFlop(AllocationLaw):
    """A curve of loss in log N for each budget, and power laws in C through the minima.

    Approach 2 fits parabolas. If losses have little noise, the shape of a parabola is the larger error; Akima's interpolation
    of log loss avoids it (arXiv 2406.19146). A budget without a minimum between its sizes is left out, and named in the
    warnings.

    Budgets are weighted by the inverse variance of log N*, or equally. The variance is that of a bootstrap over the runs of a
    budget for parabolas, and of a jackknife over its sizes for Akima. A budget without a variance has the median one, and
    none has less than a quarter of it.

    Minima may scatter about the power law by more than these variances, since budgets differ in more than their runs show.
    The variance between budgets is then added to that of each, and to the resamples. As few budgets tell little of it, the
    intervals of N* and D* are those of Student's t. If the runs of a budget leave no variance, the bootstrap draws whole
    budgets.
    """

    name: ClassVar[str] = "isoflop"
    title: ClassVar[str] = "IsoFLOP profiles"
    source: ClassVar[str] = "Hoffmann et al. 2022, arXiv 2203.15556, section 3.2"
    needs: ClassVar[tuple[str, ...]] = ("N", "D", "C", "loss")

    curve: Annotated[str, OneOf(CURVES)] = "parabola"  # parabola or akima
    # parabola: number of sizes around the best run; null for all
    nearest: Annotated[int, Interval(ge=3, le=10**6)] | None = None
    weighted: bool = True  # weight budgets by the inverse variance of their minimum

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nearest is not None and self.curve != "parabola":
            raise ConfigError(f"law.nearest: is for parabolas; law.curve={self.curve} goes through every size")

    def fitted_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        return best_runs(frame)

    def strata(self, frame: pd.DataFrame) -> np.ndarray:
        return frame["budget"].to_numpy()

    def estimate(self, frame: pd.DataFrame) -> Solution:
        groups = self._profiles(frame)
        table = [profile.row() for profile, _ in groups]
        optima = self._optima(groups, table, np.ones((1, len(frame))))
        left_out, scatter = _exclusion_warnings(table), _scatter(table)
        count = int(optima.exists.sum())
        if count < 2:
            reasons = f"; {left_out[0]}" if left_out else ""
            raise ConfigError(f"law: isoflop needs at least 2 budgets whose minimum is inside; there are {count}{reasons}")
        solution = self.fit_optima(optima)
        solution.warnings[:0] = left_out
        solution.tables["budgets"] = table
        if scatter:
            solution.tables["scatter"] = [{**asdict(scatter), "p": scatter.p_value}]
            if scatter.p_value < SCATTERED:
                solution.warnings.append(_scatter_warning(scatter))
        if count <= LEAST:
            solution.warnings.append(_few_warning(count, scatter))
        return solution

    def resample(self, frame: pd.DataFrame, params: np.ndarray, weights: np.ndarray) -> np.ndarray:
        groups = self._profiles(frame)
        table = [profile.row() for profile, _ in groups]
        whole = self._optima(groups, table, np.ones((1, len(frame))))
        return self.refit_optima(self._optima(groups, table, weights), params, whole)

    def _profiles(self, frame: pd.DataFrame) -> list[tuple[IsoFlopProfile, np.ndarray]]:
        """Return the profile of each budget, and the rows that it is made of."""
        budget = frame["budget"].to_numpy()
        groups = [np.flatnonzero(budget == label) for label in np.unique(budget)]
        if self.curve == "akima":
            return [(Akima(frame.iloc[rows]), rows) for rows in groups]
        return [(Parabola(frame.iloc[rows], self.nearest), rows) for rows in groups]

    def _optima(self, groups: list[tuple[IsoFlopProfile, np.ndarray]], table: list[dict], weights: np.ndarray) -> Optima:
        """Return the minima for each row of counts (m, n)."""
        minima = [profile.minimum(weights[:, rows]) for profile, rows in groups]
        log_n, log_d, loss = (
            np.stack([getattr(minimum, name) for minimum in minima], axis=1) for name in ("log_n", "log_d", "loss")
        )
        flops = np.array([profile.flops for profile, _ in groups])
        shares = self._shares(table) if self.weighted else np.ones(len(table))
        # a cluster is drawn as often as each of its rows; a budget whose runs are drawn by themselves is drawn once
        drawn = np.stack([np.maximum(weights[:, rows].min(axis=1), 1) for _, rows in groups], axis=1)
        return Optima(flops, log_n, log_d, loss, shares, drawn)

    @staticmethod
    def _shares(table: list[dict]) -> np.ndarray:
        """Return the weights (n,) of budgets in the fit of N and D."""
        scatter = _scatter(table)
        return precisions([row.get("log_n_std", np.nan) for row in table], scatter.variance if scatter else 0.0)

    def clusters(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Return the budgets (n,) if their runs leave no variance; null if they do, or training runs go on through several
        budgets. Budgets without a minimum are drawn with the nearest one that has one.
        """
        table = [profile.row() for profile, _ in self._profiles(frame)]
        kept = np.array([row["C"] for row in table if not row["excluded"]])
        spanning = "run" in frame and frame["run"].nunique() > 1 and frame.groupby("run")["budget"].nunique().max() > 1
        if _scatter(table) is not None or spanning or len(kept) <= LEAST:
            return None
        distance = np.abs(np.log(frame["budget"].to_numpy()[:, None] / kept))
        return kept[distance.argmin(axis=1)]

    def scattered(self, frame: pd.DataFrame, params: np.ndarray, draws: np.ndarray, seed: int) -> np.ndarray:
        table = [profile.row() for profile, _ in self._profiles(frame)]
        kept, scatter = [row for row in table if not row["excluded"]], _scatter(table)
        if scatter is None:
            freedom = len(kept) - 2
            drawn = self.clusters(frame) is not None  # residuals of resampled budgets are smaller than their scatter
            return self.widened(params, draws, t_factor(freedom) * np.sqrt(len(kept) / freedom) if drawn else 1.0)
        log_c = np.log([row["C"] for row in kept])
        weights = self._shares(table)[[not row["excluded"] for row in table]] if self.weighted else np.ones(len(kept))
        shifts = np.sqrt(scatter.variance) * np.random.default_rng(seed).standard_normal((len(draws), len(kept)))
        return self.widened(
            params, self.moved(draws, weighted_line(log_c, shifts, weights), TrainingFlops.of(frame)), scatter.widening
        )


def precisions(deviations: list[float], between: float = 0.0) -> np.ndarray:
    """Return the inverse variances (n,) of standard deviations, scaled to mean 1; equal ones if all variances are 0.

    :param deviations: those of log N* of budgets; NaN is replaced by the median, and none is taken to be less than half of it.
    :param between: the variance between budgets, which is added to each.
    """
    variances = _floored(deviations) ** 2 + between
    if not (variances > 0).all():
        return np.ones(len(deviations))
    return 1 / variances / np.mean(1 / variances)


def _floored(deviations: list[float]) -> np.ndarray:
    """Return standard deviations (n,): the median for a missing one, and at least half of it; 0 if none is known."""
    known = np.isfinite(deviations)
    median = np.median(np.asarray(deviations)[known]) if known.any() else 0.0
    return np.maximum(np.where(known, deviations, median), SHARPEST * median)


def _scatter(table: list[dict]) -> Scatter | None:
    """Return the scatter of log N* about its power law; null if it cannot be told from the variances of budgets."""
    kept = [row for row in table if not row["excluded"]]
    log_c, log_n = (np.log([row[name] for row in kept]) for name in ("C", "N"))
    return scatter_about_line(log_c, log_n, _floored([row["log_n_std"] for row in kept]) ** 2)


def _scatter_warning(scatter: Scatter) -> RankedWarning:
    """Return the warning for budgets that scatter more than their runs explain."""
    return RankedWarning(
        f"the minima of budgets scatter about the power law by more than their runs explain: chi-squared is"
        f" {scatter.chi_squared:.3g} on {scatter.freedom} degrees of freedom; a standard deviation of"
        f" {np.sqrt(scatter.variance):.2g} in log N* between budgets is added to their own, and to the intervals",
        Severity.INTERVAL,
    )


def _few_warning(count: int, scatter: Scatter | None) -> RankedWarning:
    """Return the warning for so few budgets that their scatter is hardly known."""
    if scatter is None:
        return RankedWarning(
            f"{count} budgets do not show how far their minima scatter about a power law, so that the intervals of N* and D*"
            " hold the noise of runs alone: add budgets",
            Severity.INTERVAL,
        )
    return RankedWarning(
        f"{count} budgets hardly show how far their minima scatter about a power law, so that the intervals of N* and D* are"
        f" {scatter.widening:.2g} times as wide as the noise of runs makes them: add budgets",
        Severity.INTERVAL,
    )


def _exclusion_warnings(table: list[dict]) -> list[RankedWarning]:
    """Return a warning for each reason, with the budgets that it excludes."""
    reasons: dict[str, list[str]] = {}
    for row in table:
        if row["excluded"]:
            reasons.setdefault(row["excluded"], []).append(scientific(row["C"]))
    return [
        RankedWarning(
            f"{len(budgets)} of {len(table)} budgets are left out ({reason}): {_join_first(budgets)} FLOPs", Severity.DATA
        )
        for reason, budgets in reasons.items()
    ]


def _join_first(names: list[str], shown: int = 5) -> str:
    """Join the first names with commas."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
