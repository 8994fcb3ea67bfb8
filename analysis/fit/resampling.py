"""Which points a fit is given: all but those held out, a resample of them, or all but one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("bca", "percentile")
LEFT_OUT = 500  # groups that a jackknife of more runs than this leaves out in turn


@dataclass
class Holdout:
    """Rows that a second fit is not given, and predicts. At most one way to choose them."""

    above_flops: float | None = None  # those of more training FLOPs than this
    fraction: float | None = None  # this share of them, those of the most FLOPs (tokens, or parameters, where there are none)
    query: str | None = None  # those that a pandas query selects, such as "N > 1e9"
    largest_budgets: int | None = None  # those of so many of the largest compute budgets; null for 1, if nothing else is given

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) > 1:
            raise ConfigError(f"holdout: choose one of {', '.join(given)}")
        if self.fraction is not None and not 0 < self.fraction < 1:
            raise ConfigError("holdout.fraction: must be between 0 and 1")
        if self.largest_budgets is not None and self.largest_budgets < 0:
            raise ConfigError("holdout.largest_budgets: must be at least 0")

    def mask(self, frame: pd.DataFrame) -> np.ndarray | None:
        """(n,), true for a held-out row; null where nothing is to be held out.

        :raises ConfigError: for rows without FLOPs where they decide, or where all or none would be held out.
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
            except Exception as error:  # pandas raises what its parser, its names and its operators raise
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
    """Resampling of runs with replacement, all points of a run together; within each budget for a law of budgets."""

    resamples: int = 1000  # 0 for no intervals
    seed: int = 0
    interval: str = "bca"  # bca (bias-corrected and accelerated) or percentile
    profile: bool = False  # profile-likelihood intervals beside them, for a law that is one curve

    def __post_init__(self) -> None:
        if self.interval not in KINDS:
            raise ConfigError(f"bootstrap.interval: {self.interval!r} is not one of {', '.join(KINDS)}")
        for name in ("resamples", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"bootstrap.{name}: must be at least 0")

    def counts(self, groups: np.ndarray, strata: np.ndarray | None) -> np.ndarray:
        """How often each group of rows is drawn: (resamples, g), in the order of ``np.unique(groups)``."""
        rng = np.random.default_rng(self.seed)
        labels, first = np.unique(groups, return_index=True)
        stratum = np.zeros(len(labels)) if strata is None else strata[first]
        counts = np.zeros((self.resamples, len(labels)))
        for label in np.unique(stratum):
            members = np.flatnonzero(stratum == label)
            counts[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=self.resamples)
        return counts

    def left_out(self, groups: np.ndarray) -> np.ndarray:
        """All but one group, each in turn: (g, g); or all but one of 500 sets of them, where there are more."""
        size = len(np.unique(groups))
        if size <= LEFT_OUT:
            return 1 - np.eye(size)
        member = np.random.default_rng(self.seed).permutation(size) % LEFT_OUT
        return 1.0 - (member == np.arange(LEFT_OUT)[:, None])


def groups(frame: pd.DataFrame) -> np.ndarray:
    """Which rows stay together: those of one training run where the frame has ``run``; else each its own.

    Where all rows are of one run, each is its own too: their scatter about the curve is all there is to resample.
    """
    if "run" in frame and frame["run"].nunique() > 1:
        return frame["run"].to_numpy()
    return np.arange(len(frame))
