"""Analysis of finished runs: tidy frames, scaling laws with uncertainty, figures and a report."""

from analysis.fit.comparison import compare_nested
from analysis.fit.fit import fit
from analysis.fit.groups import Groups, fit_by
from analysis.fit.resampling import Bootstrap, Holdout
from analysis.fit.result import Fit
from analysis.forecast.forecast import forecast
from analysis.laws import LAWS
from analysis.laws.constraints import Prior
from analysis.sources.frame import Columns, Runs, tidy
from analysis.sources.readers import read_csv, read_file, read_mlflow

__all__ = [
    "LAWS",
    "Bootstrap",
    "Columns",
    "Fit",
    "Groups",
    "Holdout",
    "Prior",
    "Runs",
    "compare_nested",
    "fit",
    "fit_by",
    "forecast",
    "read_csv",
    "read_file",
    "read_mlflow",
    "tidy",
]
