"""The page of a report: one HTML file that needs no network.

The browser draws the figures with the basic bundle of plotly.js, which stands in :file:`plotly/` as npm's package
``plotly.js-basic-dist-min`` has it, compressed. The package plotly of Python has only all of plotly.js, four times as large.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup

from openr1.analysis import formatting
from openr1.analysis.charts import plotly
from openr1.analysis.report import findings, fit_tables, forecasts, group_tables, narrative, tables
from openr1.analysis.report.study_warnings import SHOWN, study_warnings
from openr1.analysis.study import GroupedStudy, Study

if TYPE_CHECKING:
    from openr1.analysis.charts import Chart
    from openr1.analysis.forecast.registry import Outcome

TABLE_NAMES = {
    "budgets": "Minima of the budgets",
    "binning": "Exponents for other numbers of budgets",
    "cells": "Optima of the cells",
}
LONG = 12  # rows beyond which a table is folded


def render(study: Study | GroupedStudy, charts: dict[str, Chart]) -> str:
    """Render the page of a study with its figures."""
    if isinstance(study, Study):
        return _render(
            "report.html.j2",
            study,
            charts,
            seen=findings.find(study, charts),
            answer=narrative.answer(study),
            support=narrative.support(study),
            forecasts=forecasts,
            budgets=tables.budgets(study),
        )
    fits = study.groups.fits.values()
    return _render(
        "groups.html.j2",
        study,
        charts,
        seen=findings.find_groups(study, charts),
        answers={group: [*narrative.answer(part), *narrative.support(part)] for group, part in study.parts.items()},
        group_tables=group_tables,
        held=any(fit.holdout for fit in fits),
    )


def render_forecasts(outcomes: list[Outcome], faults: Sequence[str] = ()) -> str:
    """Render the page of the registered forecasts of all studies.

    :param faults: lines about forecasts that are left out.
    """
    page = _environment().get_template("forecasts.html.j2")
    return page.render(
        title="Forecasts",
        calibration=forecasts.calibration_table(outcomes),
        outcomes=forecasts.outcomes_table(outcomes),
        faults=faults,
    )


def _environment() -> Environment:
    environment = Environment(loader=FunctionLoader(_read_template), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": formatting.number,
        "percent": formatting.percent,
        "scientific": formatting.scientific,
        "sentence": _capitalise,
    }
    return environment


def _render(name: str, study: Study | GroupedStudy, charts: dict[str, Chart], **more: Any) -> str:
    """Fill in a template."""
    shown = {name: chart for name, chart in charts.items() if chart.reported}
    return (
        _environment()
        .get_template(name)
        .render(
            study=study,
            counted=formatting.count_rows(len(study.runs.frame), study.runs.frame),
            title=study.config.runs.study,
            tables=tables,
            fit_tables=fit_tables,
            table_names=TABLE_NAMES,
            long=LONG,
            describe_diagnostics=narrative.describe_diagnostics,
            warnings=[str(told) for told in study_warnings(study)],
            few=SHOWN,
            charts=shown,
            figure_titles={f"figure-{name}": chart.title for name, chart in shown.items()},
            fit_titles={f"fit-{place}": title for place, title in enumerate(_fit_titles(study))},
            wide={name for name, chart in shown.items() if len(chart.panels) > 1},
            alone=_find_alone(shown),
            legend=plotly.legend,
            columns={key: name for key, name in vars(study.config.runs.columns).items() if name},
            reasons=study.runs.dropped["reason"].value_counts().to_dict(),
            plotly=_base64(_file("plotly/plotly-basic.min.js.gz").read_bytes()),
            script=Markup(_file("templates/report.js").read_text(encoding="utf-8")),
            figures=_pack({name: plotly.panels(chart) for name, chart in shown.items()}),
            **more,
        )
    )


def _fit_titles(study: Study | GroupedStudy) -> list[str]:
    """Return the headings of the fits, in their order."""
    return list(study.parts) if isinstance(study, GroupedStudy) else [fit.law.title for fit in study.fits.values()]


def _capitalise(text: str) -> str:
    """Begin a sentence with a capital letter."""
    return text[:1].upper() + text[1:]


def _find_alone(charts: dict[str, Chart]) -> set[str]:
    """Return the figures of one panel that share their row with no other figure."""
    alone: set[str] = set()
    pending = ""
    for name, chart in [*charts.items(), ("", None)]:
        single = chart is not None and len(chart.panels) == 1
        if pending and single:
            pending = ""
        elif pending or single:
            alone |= {pending} - {""}
            pending = name if single else ""
    return alone


def _read_template(name: str) -> str:
    return _file(f"templates/{name}").read_text(encoding="utf-8")


def _file(name: str) -> Traversable:
    return resources.files(__package__).joinpath(name)


def _pack(values: dict) -> str:
    """Return values as compressed JSON, which :file:`report.js` reads."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return _base64(gzip.compress(text.encode(), mtime=0))  # equal reports have equal bytes


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
