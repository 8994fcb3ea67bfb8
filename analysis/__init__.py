"""Analysis of finished runs: tidy frames, scaling laws with uncertainty, figures and a report."""

from openr1.analysis.fit import comparison as _comparison
from openr1.analysis.fit import fit as _fit
from openr1.analysis.fit import groups as _groups
from openr1.analysis.fit.groups import Groups
from openr1.analysis.fit.resampling import Bootstrap, Holdout
from openr1.analysis.fit.result import Fit
from openr1.analysis.forecast import forecast as _forecast
from openr1.analysis.interactive import draw, fit_study, plot, read_forecasts, tell
from openr1.analysis.laws import LAWS
from openr1.analysis.laws.constraints import Prior
from openr1.analysis.sources.frame import Columns, Runs, tidy
from openr1.analysis.sources.readers import read_csv, read_file, read_mlflow, read_plan, read_study
from openr1.analysis.sources.study_runs import StudyRuns
from openr1.analysis.sources.wording import speaking_python
from openr1.system.short_names import shorten

# the same functions serve openr1-fit, whose messages name the keys of its config
fit = speaking_python(_fit.fit)
fit_by = speaking_python(_groups.fit_by)
forecast = speaking_python(_forecast.forecast)
compare_nested = speaking_python(_comparison.compare_nested)

if __name__ == "analysis":  # by the name of its folder at the top of a checkout
    shorten(__name__)

__all__ = [
    "LAWS",
    "Bootstrap",
    "Columns",
    "Fit",
    "Groups",
    "Holdout",
    "Prior",
    "Runs",
    "StudyRuns",
    "compare_nested",
    "draw",
    "fit",
    "fit_by",
    "fit_study",
    "forecast",
    "plot",
    "read_csv",
    "read_file",
    "read_forecasts",
    "read_mlflow",
    "read_plan",
    "read_study",
    "tell",
    "tidy",
]
