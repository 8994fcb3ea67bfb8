"""Analysis of finished runs: tidy frames, scaling laws with uncertainty, figures and a report."""

from analysis.fit.fit import fit
from analysis.fit.groups import Groups, fit_by
from analysis.fit.resampling import Bootstrap, Holdout
from analysis.fit.result import Fit
from analysis.laws import LAWS
from analysis.sources.frame import Columns, Runs, tidy
from analysis.sources.readers import read_csv, read_file, read_mlflow

__all__ = [
    "LAWS",
    "Bootstrap",
    "Columns",
    "Fit",
    "Groups",
    "Holdout",
    "Runs",
    "fit",
    "fit_by",
    "read_csv",
    "read_file",
    "read_mlflow",
    "tidy",
]
