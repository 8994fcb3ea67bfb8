"""What finished runs teach: tidy frames, scaling laws with their uncertainty, figures and a report."""

from analysis.fitting import Bootstrap, Fit, Holdout, fit
from analysis.laws import LAWS

__all__ = ["LAWS", "Bootstrap", "Fit", "Holdout", "fit"]
