"""Which runs a fit is given: all but those held out, or a resample of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95


@dataclass
class Holdout:
    """Runs that a second fit is not given, and predicts."""

    above_flops: float | None = None  # runs of more training FLOPs than this
    largest_budgets: int = 1  # where above_flops is null: so many of the largest compute budgets; 0 for none

    def mask(self, frame: pd.DataFrame) -> np.ndarray | None:
        """(n,), true for a held-out run; null where nothing is to be held out.

        :raises ConfigError: for runs without FLOPs, or where all or none of them would be held out.
        """
        if self.above_flops is None and self.largest_budgets == 0:
            return None
        key = "holdout.largest_budgets" if self.above_flops is None else "holdout.above_flops"
        if "C" not in frame:
            raise ConfigError(f"{key}: the runs have no FLOPs (runs.columns.C); hold out nothing, or set runs.flops_6nd=true")
        labels = np.unique(frame["budget"])
        if self.above_flops is not None:
            held = frame["C"].to_numpy() > self.above_flops
        else:
            held = frame["budget"].isin(labels[max(len(labels) - self.largest_budgets, 0) :]).to_numpy()
        if held.all() or not held.any():
            raise ConfigError(
                f"{key}: holds out {held.sum()} of {len(held)} runs, whose budgets are {labels[0]:.3g} to {labels[-1]:.3g}"
            )
        return held


@dataclass
class Bootstrap:
    """Resampling of runs, with replacement: within each budget for a law of budgets, else over all runs."""

    resamples: int = 1000  # 0 for no intervals
    seed: int = 0

    def weights(self, n: int, strata: np.ndarray | None) -> np.ndarray:
        """How often each run is drawn: (resamples, n)."""
        rng = np.random.default_rng(self.seed)
        groups = [np.arange(n)] if strata is None else [np.flatnonzero(strata == label) for label in np.unique(strata)]
        weights = np.zeros((self.resamples, n))
        for rows in groups:
            weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=self.resamples)
        return weights


def percentiles(draws: np.ndarray) -> np.ndarray:
    """The ends (2, ...) of the central 95 % over the first axis."""
    with np.errstate(invalid="ignore"):  # between two infinite draws
        return np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
