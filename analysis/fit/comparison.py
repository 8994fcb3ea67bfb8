"""Comparison of nested laws: whether the runs contradict the smaller one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openr1.analysis.fit.arguments import read_rows, require_columns
from openr1.analysis.fit.result import Fit
from openr1.analysis.laws.regression import CurveLaw
from openr1.analysis.sources.tidied import require_tidy
from openr1.options.types import shown
from openr1.system.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from openr1.analysis.sources.frame import Runs

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


def compare_nested(smaller: Fit, larger: Fit, frame: pd.DataFrame | Runs) -> Comparison:
    """Compare two fits to the same runs, one of which is a special case of the other.

    The sums of Huber's or the absolute loss are turned into likelihoods by the residuals of the larger law (Heritier and
    Ronchetti 1994), those of squares by the usual estimate of the variance. AICc: Hurvich and Tsai 1989.

    :param frame: the runs that both laws were fitted to.
    :raises ConfigError: if the fits are to other runs, or not of curves with one objective, of which the larger one takes all
        that the smaller one does, or the smaller law has no fewer parameters.
    """
    from scipy.stats import chi2

    for argument, fitted in (("smaller", smaller), ("larger", larger)):
        if not isinstance(fitted, Fit):
            raise ConfigError(f"{argument}: must be a Fit, as fit returns it, not {shown(fitted)}")
    frame = read_rows(frame)
    small, large = smaller.law, larger.law
    if not isinstance(small, CurveLaw) or not isinstance(large, CurveLaw) or small.loss != large.loss:
        raise ConfigError("compare: nested laws are curves that are fitted with the same objective")
    if not set(small.needs) <= set(large.needs) or small.best_runs_only != large.best_runs_only:
        raise ConfigError(f"smaller: {small.name} is no special case of {large.name}, which is fitted to other columns or rows")
    require_columns(frame, large.needs, "frame", large)
    frame = require_tidy(frame, large.needs, large.zero_compute)
    _require_same_runs(smaller, "smaller", frame)
    _require_same_runs(larger, "larger", frame)
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


def _require_same_runs(fit: Fit, argument: str, frame: pd.DataFrame) -> None:
    """Refuse a fit to other runs than those of a frame, as far as the fit, which may have been loaded, knows its runs.

    :raises ConfigError: naming the fit.
    """
    if fit.n_points != len(frame):
        raise ConfigError(f"{argument}: is fitted to {fit.n_points} rows, and frame has {len(frame)}; fit both laws to these")
    if fit.frame is not None and not np.array_equal(fit.law.observed(fit.frame), fit.law.observed(frame)):
        raise ConfigError(f"{argument}: is fitted to other rows than those of frame; fit both laws to its rows")
