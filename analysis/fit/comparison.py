"""Comparison of nested laws: whether the runs contradict the smaller one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis.fit.result import Fit
from analysis.laws.regression import CurveLaw
from openr1.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05  # p-value below which the runs contradict the smaller law


@dataclass(frozen=True)
class Comparison:
    """A likelihood ratio test, and the difference of AICc: that of the smaller law minus that of the larger one."""

    statistic: float
    freedom: int  # parameters that the larger law has more
    p: float
    aicc: float

    def __str__(self) -> str:
        verdict = "contradict" if self.p < LEVEL else "do not contradict"
        better = "smaller" if self.aicc < 0 else "larger"
        return (
            f"The runs {verdict} the law with fewer parameters (likelihood ratio {self.statistic:.3g} on {self.freedom}"
            f" degree{'s' * (self.freedom > 1)} of freedom, p = {self.p:.2g}); AICc is {abs(self.aicc):.3g} lower for the"
            f" {better} law."
        )


def compare_nested(smaller: Fit, larger: Fit, frame: pd.DataFrame) -> Comparison:
    """Compare two fits to the same runs, one of which is a special case of the other.

    The sums of Huber's or the absolute loss are turned into likelihoods by the residuals of the larger law (Heritier and
    Ronchetti 1994), those of squares by the usual estimate of the variance. AICc: Hurvich and Tsai 1989.

    :raises ConfigError: if the fits are not of curves with one objective, or the smaller law has no fewer parameters.
    """
    from scipy.stats import chi2

    small, large = smaller.law, larger.law
    if not isinstance(small, CurveLaw) or not isinstance(large, CurveLaw) or small.loss != large.loss:
        raise ConfigError("compare: nested laws are curves that are fitted with the same objective")
    counts = [len(law.free(frame)) for law in (small, large)]
    if counts[0] >= counts[1]:
        raise ConfigError(f"compare: the smaller law has {counts[0]} fitted parameters, the larger one {counts[1]}")
    residuals = [-fit.law.residuals(fit.vector, frame) for fit in (smaller, larger) if isinstance(fit.law, CurveLaw)]
    rows = large.fitted_rows(frame)
    weights = rows["weight"].to_numpy(dtype=float) if "weight" in rows else np.ones(len(rows))
    sums = [float(np.sum(weights * small.loss.losses(values))) for values in residuals]
    unit = large.loss.scale(residuals[1], counts[1])
    statistic = max(2 * (sums[0] - sums[1]) / unit, 0.0)
    n, freedom = len(rows), counts[1] - counts[0]
    extra = [2 * p + 2 * p * (p + 1) / max(n - p - 1, 1) for p in counts]
    return Comparison(statistic, freedom, float(chi2.sf(statistic, freedom)), statistic + extra[0] - extra[1])
