"""Analysis of finished runs: tidy frames, scaling laws with uncertainty, figures and a report."""

from analysis.fit.fit import fit
from analysis.fit.groups import Groups, fit_by
from analysis.fit.resampling import Bootstrap, Holdout
from analysis.fit.result import Fit
from analysis.laws import LAWS

__all__ = ["LAWS", "Bootstrap", "Fit", "Groups", "Holdout", "fit", "fit_by"]
