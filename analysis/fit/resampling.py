"""Subsets of the runs that fits are given: without the held-out rows, a resample, or without one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Interval, Le

from openr1.options import check_ranges
from openr1.options.ranges import Flops, OneOf, Or, ProperShare, Seed
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.laws import Law

INTERVALS = ("bca", "percentile")
LEFT_OUT = 500  # largest number of estimates of a jackknife


@dataclass
class Holdout:
    """Options of held-out rows, which a second fit is not given and predicts. At most one of them selects the rows."""

    above_flops: Flops | None = None  # rows of more training FLOPs than this
    fraction: ProperShare | None = None  # this share of the rows, of the most FLOPs (or tokens, or parameters)
    query: str | None = None  # rows that a pandas query selects, such as "N > 1e9"
    # rows of this many of the largest budgets; 0 for no holdout, null for 1 if nothing else is given
    largest_budgets: Annotated[int, Interval(ge=0, le=10_000)] | None = None

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) > 1:
            raise ConfigError(f"holdout: choose one of {', '.join(given)}")
        check_ranges(self, "holdout")

    def mask(self, frame: pd.DataFrame) -> np.ndarray | None:
        """Return a mask (n,) of the held-out rows; null if nothing is held out.

        :raises ConfigError: if the choice needs FLOPs and the runs have none, or if it selects all rows or none.
        """
        key = next((f"holdout.{name}" for name, value in vars(self).items() if value is not None), None)
        if self.largest_budgets == 0 or (key is None and ("C" not in frame or frame["budget"].nunique() < 2)):
            return None
        key = key or "holdout.largest_budgets"
        if key in ("holdout.above_flops", "holdout.largest_budgets") and "C" not in frame:
            raise ConfigError(f"{key}: the runs have no FLOPs (runs.columns.C); hold out nothing, or set runs.flops_6nd=true")
        held = self._held(frame)
        if held.all() or not held.any():
            reach = f", whose FLOPs are {frame['C'].min():.3g} to {frame['C'].max():.3g}" if "C" in frame else ""
            raise ConfigError(f"{key}: holds out {held.sum()} of {len(held)} runs{reach}")
        return held

    def _held(self, frame: pd.DataFrame) -> np.ndarray:
        if self.above_flops is not None:
            return frame["C"].to_numpy() > self.above_flops
        if self.query is not None:
            try:
                return frame.index.isin(frame.query(self.query).index)
            except Exception as error:  # pandas raises errors of many types
                raise ConfigError(f"holdout.query: {self.query!r} selects no rows: {str(error).splitlines()[0]}") from error
        if self.fraction is not None:
            size = next((frame[name] for name in ("C", "D", "N") if name in frame), None)
            if size is None:
                raise ConfigError("holdout.fraction: the rows have none of C, D, N to order them by; use holdout.query")
            return (size > size.quantile(1 - self.fraction)).to_numpy()
        labels = np.unique(frame["budget"])
        count = 1 if self.largest_budgets is None else self.largest_budgets
        return frame["budget"].isin(labels[max(len(labels) - count, 0) :]).to_numpy()


@dataclass
class Bootstrap:
    """Options of the bootstrap, which draws runs with replacement, with all points of a run: within each budget for a law of
    budgets, or whole budgets if there is a single run in each, or if they scatter more than their runs explain.
    """

    resamples: Annotated[int, Ge(2), Le(10**6), Or(0)] = 1000  # 0 for no intervals
    seed: Seed = 0
    interval: Annotated[str, OneOf(INTERVALS)] = "bca"  # bca (bias-corrected and accelerated) or percentile
    profile: bool = False  # add profile-likelihood intervals, for a law that is one curve

    def __post_init__(self) -> None:
        check_ranges(self, "bootstrap")

    def counts(self, groups: np.ndarray, strata: np.ndarray | None) -> np.ndarray:
        """Draw how often each group of rows is drawn: (resamples, g), in the order of ``np.unique(groups)``.

        Groups are drawn from their stratum. A stratum of one group would always be drawn whole, as if it had no noise:
        such groups are drawn from one another.
        """
        rng = np.random.default_rng(self.seed)
        labels, first = np.unique(groups, return_index=True)
        stratum = np.zeros(len(labels), dtype=int) if strata is None else _pool_lone(strata[first])
        counts = np.zeros((self.resamples, len(labels)))
        for label in np.unique(stratum):
            members = np.flatnonzero(stratum == label)
            counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=self.resamples)
        return counts

    def left_out(self, groups: np.ndarray) -> np.ndarray:
        """Return the counts that leave out one group in turn: (g, g); for more than 500 groups, one of 500 sets of them."""
        size = len(np.unique(groups))
        if size <= LEFT_OUT:
            return 1 - np.eye(size)
        member = np.random.default_rng(self.seed).permutation(size) % LEFT_OUT
        return 1.0 - (member == np.arange(LEFT_OUT)[:, None])


def _pool_lone(strata: np.ndarray) -> np.ndarray:
    """Return the strata (g,) by number, with those of a single group pooled; if there is only one such, with its neighbour."""
    labels, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    lone, pooled = np.flatnonzero(sizes == 1), np.arange(len(labels))
    if len(lone):
        pooled[lone] = lone[0] if len(lone) > 1 else lone[0] + (1 if lone[0] == 0 else -1)
    return np.minimum(pooled, len(labels) - 1)[stratum]


def drawn_together(law: Law, frame: pd.DataFrame) -> np.ndarray:
    """Return labels (n,) of rows that are resampled together: the clusters of a law, or else the runs."""
    clusters = law.clusters(frame)
    return resampling_groups(frame) if clusters is None else clusters


def resampling_groups(frame: pd.DataFrame) -> np.ndarray:
    """Return labels (n,) of rows that are resampled together: those of one training run if the frame has ``run``, or each
    row alone.

    If all rows are of one run, each is resampled alone too, since only their scatter about the curve can be resampled.
    """
    if "run" in frame and frame["run"].nunique() > 1:
        return frame["run"].to_numpy()
    return np.arange(len(frame))
