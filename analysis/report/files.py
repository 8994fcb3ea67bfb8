"""Files of a report: the page, the figures, the runs as fitted, and the fits."""

from __future__ import annotations

import shutil
from pathlib import Path

from openr1.analysis.charts import chart_study
from openr1.analysis.charts.groups import chart_groups
from openr1.analysis.charts.marks import Chart
from openr1.analysis.figures import Figures
from openr1.analysis.forecast.registry import all_faults, all_outcomes, list_faults
from openr1.analysis.progress import tell_step
from openr1.analysis.report.html import render, render_forecasts
from openr1.analysis.study import GroupedStudy, Study
from openr1.system.files import replacing, write_json


def write(study: Study | GroupedStudy) -> Path:
    """Write the runs as fitted, the fits, the figures and the report into the directory of the config.

    ``fit.json`` there is that of the law that answers; every law, or group, has a folder of its own beside it.

    :returns: the path of the report.
    """
    charts = chart_groups(study) if isinstance(study, GroupedStudy) else chart_study(study)
    html = render(study, charts)
    directory = study.config.directory
    if isinstance(study, GroupedStudy):
        study.groups.save(directory)
    else:
        for name, fit in study.fits.items():
            path = fit.save(directory / name)
            if fit is study.main:
                shutil.copyfile(path, directory / path.name)
    _write_figures(charts, study.config.figures, directory / "figures")
    study.runs.frame.to_csv(directory / "points.csv", index=False)
    with replacing(study.report, shared=True) as temporary:
        temporary.write_text(html, encoding="utf-8")
    if isinstance(study, Study):
        _write_forecasts(study)
    return study.report


def _write_forecasts(study: Study) -> None:
    """Write the forecast of the config as JSON, and the page of the registered forecasts of all studies where there are any."""
    if study.forecast:
        write_json(study.config.directory / "forecast.json", study.forecast.to_dict(), shared=True)
    if study.outcomes or list_faults(study.config.study_folder):
        studies = study.config.study_folder.parent
        with replacing(studies / "forecasts.html", shared=True) as temporary:
            temporary.write_text(render_forecasts(all_outcomes(studies), all_faults(studies)), encoding="utf-8")


def _write_figures(charts: dict[str, Chart], figures: Figures, directory: Path) -> None:
    """Write each chart in the formats of its style."""
    from openr1.analysis.charts.matplotlib import draw, to_bytes

    directory.mkdir(parents=True, exist_ok=True)
    for name, chart in charts.items():
        tell_step(f"the figure {name}")
        figure = draw(chart, figures)
        for form in figures.formats:
            (directory / f"{name}.{form}").write_bytes(to_bytes(figure, form, figures.style))
