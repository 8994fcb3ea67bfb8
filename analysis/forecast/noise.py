"""Errors of single runs about a forecast, which grow with its reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.fit.result import SCATTER_FREEDOM as FREEDOM
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SCALES = np.geomspace(1e-4, 0.3, 40)  # of runs next to the origin
GROWTHS = np.append(0.0, np.geomspace(1e-4, 0.3, 30))  # per factor of e in compute
LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class RunNoise:
    """Errors of runs beyond an origin: Student's t of scale ``sqrt(scale^2 + (growth reach)^2)`` times ``widening``.

    ``reach`` is the log of a run's compute over the largest compute of the fit. Errors are of log loss, or of rates.
    """

    scale: float
    growth: float
    origins: int  # number of origins that it is estimated from
    logs: bool  # True for errors of logarithms

    @property
    def widening(self) -> float:
        """The factor for one more origin, whose errors are shared: sqrt((n + 1) / (n - 1)) for n origins, as of a prediction
        by a mean and a variance of n values; n = 2 for a single origin.
        """
        n = max(self.origins, 2)
        return float(np.sqrt((n + 1) / (n - 1)))

    def interval(self, centre: np.ndarray, reach: np.ndarray, level: float) -> np.ndarray:
        """Return the ends (2, n) between which a share ``level`` of new runs is expected."""
        from scipy.stats import t

        half = t.ppf((1 + level) / 2, FREEDOM) * self.widening * np.hypot(self.scale, self.growth * np.maximum(reach, 0))
        if self.logs:
            return np.stack([centre * np.exp(-half), centre * np.exp(half)])
        return np.clip(np.stack([centre - half, centre + half]), 0, 1)


def estimate_noise(validation: pd.DataFrame, floor: float, logs: bool) -> RunNoise:
    """Estimate the errors of runs by maximum likelihood from the errors beyond earlier origins.

    :param validation: the rows of one candidate, see :func:`openr1.analysis.forecast.rolling.validate`.
    :param floor: the least scale: that of the residuals of the fit, or of runs that differ only by their seed.
    :raises ConfigError: if there is no origin with errors.
    """
    from scipy.stats import t

    rows = validation.dropna(subset="error")
    if rows.empty:
        raise ConfigError("forecast: too few runs to predict some of them from the others, so that no interval can be given")
    error, reach, weight = (rows[name].to_numpy(dtype=float) for name in ("error", "reach", "weight"))
    spread = np.hypot(SCALES[:, None, None], GROWTHS[None, :, None] * reach)
    likelihood = np.sum(weight * (t.logpdf(error / spread, FREEDOM) - np.log(spread)), axis=-1)
    i, j = np.unravel_index(likelihood.argmax(), likelihood.shape)
    return RunNoise(max(float(SCALES[i]), floor), float(GROWTHS[j]), int(rows["origin"].nunique()), logs)


def seed_noise(frame: pd.DataFrame, response: str, logs: bool) -> float:
    """Return the standard deviation of the response of runs that repeat a configuration (N, D); 0 if none do."""
    if not {"N", "D"} <= set(frame):
        return 0.0
    values = np.log(frame[response]) if logs else frame[response]
    groups = values.groupby([frame["N"], frame["D"]])
    freedom = groups.size() - 1
    squares = (groups.var().fillna(0) * freedom).sum()
    return float(np.sqrt(squares / freedom.sum())) if freedom.sum() else 0.0
