"""What finished runs teach: tidy frames, scaling laws with their uncertainty, figures and a report."""

from analysis.fitted import Fit
from analysis.fitting import fit
from analysis.grouping import Groups, fit_by
from analysis.laws import LAWS
from analysis.resampling import Bootstrap, Holdout

__all__ = ["LAWS", "Bootstrap", "Fit", "Groups", "Holdout", "fit", "fit_by"]
