"""Analysis of finished runs: tidy frames, scaling laws with uncertainty, figures and a report."""

from analysis.fit.comparison import compare_nested
from analysis.fit.fit import fit
from analysis.fit.groups import Groups, fit_by
from analysis.fit.resampling import Bootstrap, Holdout
from analysis.fit.result import Fit
from analysis.forecast.forecast import forecast
from analysis.laws import LAWS
from analysis.laws.constraints import Prior

__all__ = ["LAWS", "Bootstrap", "Fit", "Groups", "Holdout", "Prior", "compare_nested", "fit", "fit_by", "forecast"]
